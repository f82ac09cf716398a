/** Connections to one authorization server: a pool for each client certificate, so that none travels under another's name. */

import { createSecureContext } from 'node:tls';
import { Agent, type Dispatcher, ProxyAgent } from 'undici';
import { proxyAuthorization } from '../config/proxy-authorization.ts';
import type { ProxyConfig } from '../config/schema/proxy.ts';
import type { ClientCertificate } from './client-proof.ts';
import { AuthorizationServerError } from './failure.ts';

export interface PoolOptions {
  /** Milliseconds for the whole call. */
  readonly timeoutMs: number;
  readonly connectTimeoutMs: number;
  /** PEM certificates instead of the system's. */
  readonly ca: () => string | undefined;
  readonly proxy?: ProxyConfig | undefined;
}

/** PEM texts that a pool was made with. */
interface Material {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  /** For the proxy. */
  readonly authorization?: string;
}

interface Pool {
  readonly agent: Dispatcher;
  readonly material: Material;
}

export class ConnectionPools {
  readonly #options: PoolOptions;
  readonly #pools = new Map<ClientCertificate | undefined, Pool>();

  constructor(options: PoolOptions) {
    this.#options = options;
  }

  /** The pool of a certificate, or of none; a new one when files have changed. Throws when certificate and key cannot be used. */
  get(certificate: ClientCertificate | undefined): Dispatcher {
    const material = this.#material(certificate);
    const old = this.#pools.get(certificate);
    if (old !== undefined && isSame(old.material, material)) return old.agent;
    if (certificate !== undefined) checkUsable(material);
    const agent = this.#createAgent(material);
    this.#pools.set(certificate, { agent, material });
    // What is in flight there ends by itself.
    void old?.agent.close();
    return agent;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.values()].map(({ agent }) => agent.destroy()));
  }

  #material(certificate: ClientCertificate | undefined): Material {
    const ca = this.#options.ca();
    const authorization = this.#options.proxy && proxyAuthorization(this.#options.proxy);
    return {
      ...(ca === undefined ? {} : { ca }),
      ...(authorization === undefined ? {} : { authorization }),
      ...(certificate === undefined ? {} : { cert: certificate.certificate.reveal(), key: certificate.key.reveal() }),
    };
  }

  #createAgent({ authorization, ...material }: Material): Dispatcher {
    const { proxy, connectTimeoutMs } = this.#options;
    const connect = { timeout: connectTimeoutMs, rejectUnauthorized: true, ...material };
    const options = {
      allowH2: false,
      // Grants are rare; sixteen connections carry the discovery and token calls of any sidecar.
      connections: 16,
      pipelining: 1,
      maxHeaderSize: 16 * 1024,
      headersTimeout: this.#options.timeoutMs,
      bodyTimeout: this.#options.timeoutMs,
    };
    if (proxy === undefined) return new Agent({ ...options, connect });
    const token = authorization === undefined ? {} : { token: authorization };
    return new ProxyAgent({ ...options, ...token, uri: proxy.url, proxyTls: { timeout: connectTimeoutMs }, requestTls: connect });
  }
}

function isSame(a: Material, b: Material): boolean {
  return a.ca === b.ca && a.cert === b.cert && a.key === b.key && a.authorization === b.authorization;
}

/** While only one of two files has changed they do not fit; the second change makes the next grant work. */
function checkUsable(material: Material): void {
  try {
    createSecureContext(material);
  } catch (cause) {
    throw new AuthorizationServerError('permanent', 'client_certificate_unusable', { cause });
  }
}
