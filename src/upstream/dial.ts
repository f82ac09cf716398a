/** Opens connections to one upstream: TCP, or TLS with verified names and resumed sessions (RFC 8446 §2.2). */

import { connect as connectTcp, isIP, type OnReadOpts, type Socket, type TcpNetConnectOpts } from 'node:net';
import { type ConnectionOptions, connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { proxyAuthorization } from '../config/proxy-authorization.ts';
import type { ProxyConfig } from '../config/schema/proxy.ts';
import type { RouteConfig } from '../config/schema/routes.ts';
import { ProxyTunnel } from './proxy-tunnel.ts';
import { tlsIdentity } from './tls-identity.ts';

export interface Dialed {
  readonly socket: Socket;
  /** The event after which requests may be sent. */
  readonly ready: 'connect' | 'secureConnect';
}

/** How a route reaches its upstream. */
export type Way = Pick<RouteConfig, 'upstreamTls' | 'upstreamSocket' | 'proxy'>;

interface Place {
  readonly host: string;
  readonly port: number;
}

export class Dialer {
  readonly #upstream: Place;
  /** What is connected to. */
  readonly #where: Place | { readonly path: string };
  readonly #proxy: ProxyConfig | undefined;
  readonly #protocol: 'http/1.1' | 'h2';
  readonly #secure: boolean;
  readonly #tls: RouteConfig['upstreamTls'];
  readonly #unfollow: (() => void)[] = [];
  #context: SecureContext | undefined;
  #session: Buffer | undefined;

  /**
   * @param origin scheme, host and port of the upstream
   * @param onRenew runs when a certificate or key has changed: connections from before are of the old identity
   */
  constructor(
    origin: string,
    { upstreamTls: tls, upstreamSocket, proxy }: Way,
    onRenew: () => void,
    protocol: 'http/1.1' | 'h2' = 'http/1.1',
  ) {
    this.#protocol = protocol;
    this.#secure = origin.startsWith('https:');
    this.#upstream = placeOf(origin);
    this.#proxy = proxy;
    this.#where = upstreamSocket === undefined ? placeOf(proxy?.url ?? origin) : { path: upstreamSocket };
    this.#tls = tls;
    const renew = () => {
      this.#context = undefined;
      this.#session = undefined;
      onRenew();
    };
    for (const material of [tls.ca, tls.cert, tls.key]) if (material !== undefined) this.#unfollow.push(material.onChange(renew));
  }

  /** Happy eyeballs (RFC 8305) is the platform's. Throws where certificate and key do not fit together. */
  dial(onread?: OnReadOpts): Dialed {
    // Node's types know "onread" with a host alone.
    const options = { ...this.#where, ...(onread && { onread }), noDelay: true, keepAlive: true } as TcpNetConnectOpts;
    if (!this.#secure) return { socket: connectTcp(options), ready: 'connect' };
    const identity = tlsIdentity(this.#tls);
    this.#context ??= createSecureContext(identity);
    const { host } = this.#upstream;
    const tunnel = this.#proxy && this.#tunnelThrough(this.#proxy);
    const socket = connectTls({
      ...(tunnel === undefined ? options : { socket: tunnel }),
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...identity,
      secureContext: this.#context,
      ALPNProtocols: [this.#protocol],
      ...(this.#session === undefined ? {} : { session: this.#session }),
    } as ConnectionOptions);
    socket.on('session', (session) => {
      this.#session = session;
    });
    if (tunnel === undefined) return { socket, ready: 'secureConnect' };
    tunnel.on('error', (error) => socket.destroy(error));
    if (onread !== undefined) readInto(socket, onread);
    return { socket, ready: 'secureConnect' };
  }

  #tunnelThrough(proxy: ProxyConfig): ProxyTunnel {
    const { host, port } = this.#upstream;
    const authority = `${host.includes(':') ? `[${host}]` : host}:${port}`;
    return new ProxyTunnel({ proxy: placeOf(proxy.url), authority, authorization: proxyAuthorization(proxy) });
  }

  close(): void {
    for (const stop of this.#unfollow) stop();
  }
}

function placeOf(url: string): Place {
  const { protocol, hostname, port } = new URL(url);
  return { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (protocol === 'https:' ? 443 : 80) };
}

/** Node offers no `onread` for TLS over a stream. */
function readInto(socket: Socket, { callback }: OnReadOpts): void {
  socket.on('data', (bytes: Buffer) => callback(bytes.length, bytes));
}
