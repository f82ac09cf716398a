/** Connections to one authorization server under one name: verified, bounded in number, and kept for seconds. */

import { type ClientRequest, type ClientRequestArgs, Agent as HttpAgent, request as httpRequest } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Duplex } from 'node:stream';
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls';
import { urlToHttpOptions } from 'node:url';
import type { Place } from '../wire/place.ts';
import { ProxyFailure } from '../wire/proxy-handshake.ts';
import { ProxyTunnel } from '../wire/proxy-tunnel.ts';
import { timeout } from './failure.ts';

export interface PoolOptions {
  /** TCP and TLS together, with the way through a proxy. */
  readonly connectTimeoutMs: number;
  /** Whom to trust, and who we are. */
  readonly identity: SecureContextOptions;
  readonly proxy?: { readonly place: Place; readonly authorization: string | undefined } | undefined;
}

interface Asked {
  readonly method: string;
  readonly headers: Record<string, string>;
}

const AGENT_OPTIONS = {
  keepAlive: true,
  // Grants are rare; sixteen connections carry the discovery and token calls of any sidecar.
  maxSockets: 16,
  // Of an unused one. Few servers close theirs sooner, and those that say so in Keep-Alive are heard: a grant must not meet a closed door.
  timeout: 4_000,
};

const MAX_HEAD_BYTES = 16 * 1024;

export class ConnectionPool {
  readonly #proxy: PoolOptions['proxy'];
  readonly #plain: HttpAgent;
  readonly #secure: HttpsAgent;

  constructor(options: PoolOptions) {
    this.#proxy = options.proxy;
    this.#plain = new PlainAgent(options);
    this.#secure = new SecureAgent(options);
  }

  /** Not sent before it is ended. Redirects are answers. */
  request(url: URL, asked: Asked): ClientRequest {
    const request = this.#begin(url, asked);
    // Whatever ended one kept connection, a restart or a way that is gone, ended the others too: else each would cost a try.
    return request.once('error', () => {
      if (request.reusedSocket) this.#dropUnused();
    });
  }

  #begin(url: URL, { method, headers }: Asked): ClientRequest {
    // Node would make credentials of what stands before the host.
    const options = { ...urlToHttpOptions(url), auth: null, method, headers, maxHeaderSize: MAX_HEAD_BYTES };
    if (url.protocol === 'https:') return httpsRequest({ ...options, agent: this.#secure });
    if (this.#proxy === undefined) return httpRequest({ ...options, agent: this.#plain });
    const { place, authorization } = this.#proxy;
    // By its whole URL (RFC 9112 §3.2.2).
    const path = url.origin + url.pathname + url.search;
    const told = { ...headers, host: url.host, ...(authorization && { 'proxy-authorization': authorization }) };
    const request = httpRequest({ ...options, hostname: place.host, port: place.port, path, headers: told, agent: this.#plain });
    // The proxy's own refusal is no answer of the server.
    return request.prependListener('response', ({ statusCode }) => {
      if (statusCode === 407) request.destroy(new ProxyFailure('PROXY_CREDENTIALS'));
    });
  }

  /** What is in flight ends by itself; nothing is kept behind it. */
  retire(): void {
    for (const agent of [this.#plain, this.#secure]) agent.maxFreeSockets = 0;
    this.#dropUnused();
  }

  /** Drops what is in flight too. */
  close(): void {
    this.retire();
    this.#plain.destroy();
    this.#secure.destroy();
  }

  #dropUnused(): void {
    for (const agent of [this.#plain, this.#secure]) for (const socket of Object.values(agent.freeSockets).flat()) socket?.destroy();
  }
}

class PlainAgent extends HttpAgent {
  readonly #options: PoolOptions;

  constructor(options: PoolOptions) {
    super(AGENT_OPTIONS);
    this.#options = options;
  }

  override createConnection(...args: Parameters<HttpAgent['createConnection']>): Duplex {
    return bounded(super.createConnection(...args) as Duplex, 'connect', this.#options);
  }
}

class SecureAgent extends HttpsAgent {
  readonly #options: PoolOptions;
  #context: SecureContext | undefined;

  constructor(options: PoolOptions) {
    // Stated, since leaving it undefined has switched verification off before (CVE-2021-22939).
    super({ ...AGENT_OPTIONS, rejectUnauthorized: true });
    this.#options = options;
  }

  /** Certificates and keys are not among the options of an agent, which makes the names of its connections of them. */
  override createConnection(target: ClientRequestArgs): Duplex {
    const tunnel = this.#tunnelTo({ host: target.host as string, port: Number(target.port) });
    this.#context ??= createSecureContext(this.#options.identity);
    const options = { ...target, secureContext: this.#context, ALPNProtocols: ['http/1.1'], ...(tunnel && { socket: tunnel }) };
    const socket = super.createConnection(options) as Duplex;
    tunnel?.on('error', (error) => socket.destroy(error));
    return bounded(socket, 'secureConnect', this.#options);
  }

  #tunnelTo(to: Place): ProxyTunnel | undefined {
    const { proxy } = this.#options;
    return proxy && new ProxyTunnel({ proxy: proxy.place, to, authorization: proxy.authorization });
  }
}

function bounded(socket: Duplex, ready: 'connect' | 'secureConnect', { connectTimeoutMs }: PoolOptions): Duplex {
  const giveUp = () => socket.destroy(timeout());
  const timer = setTimeout(giveUp, connectTimeoutMs);
  const settle = () => clearTimeout(timer);
  return socket.once(ready, settle).once('close', settle);
}
