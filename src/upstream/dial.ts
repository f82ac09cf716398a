/** Opens connections to one upstream: TCP, or TLS with verified names and resumed sessions (RFC 8446 §2.2). */

import { connect as connectTcp, isIP, type OnReadOpts, type Socket, type TcpNetConnectOpts } from 'node:net';
import { type ConnectionOptions, connect as connectTls, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { proxyAuthorization } from '../config/proxy-authorization.ts';
import type { ProxyConfig } from '../config/schema/proxy.ts';
import type { RouteConfig } from '../config/schema/routes.ts';
import { type Place, placeOf } from '../wire/place.ts';
import { connectThrough, type TunnelEnds } from '../wire/proxy-handshake.ts';
import { ProxyTunnel } from '../wire/proxy-tunnel.ts';
import { tlsIdentity } from './tls-identity.ts';

export interface Dialed {
  readonly socket: Socket;
  /** The event after which requests may be sent. */
  readonly ready: 'connect' | 'secureConnect';
}

/** What becomes of a connection that is not there at once. */
export interface Opening {
  opened(socket: Socket): void;
  /** May be called after `opened` too. */
  failed(error: unknown): void;
}

/** How a route reaches its upstream. */
export type Way = Pick<RouteConfig, 'upstreamTls' | 'upstreamSocket' | 'proxy'>;

/** Certificate and key change together, but their files are read one after the other: for so long the old pair goes on. */
const TOGETHER_MS = 10_000;

export class Dialer {
  readonly #upstream: Place;
  /** What is connected to. */
  readonly #where: Place | { readonly path: string };
  readonly #proxy: ProxyConfig | undefined;
  readonly #protocol: 'http/1.1' | 'h2';
  readonly #secure: boolean;
  readonly #tls: RouteConfig['upstreamTls'];
  readonly #unfollow: (() => void)[] = [];
  readonly #now: () => number;
  #context: SecureContext | undefined;
  /** When the context began to be an old one; `undefined` while it is not. */
  #staleSince: number | undefined;
  #session: Buffer | undefined;

  /**
   * @param origin scheme, host and port of the upstream
   * @param onRenew runs when a certificate or key has changed: connections from before are of the old identity
   * @param now milliseconds of a monotonic clock
   */
  constructor(
    origin: string,
    { upstreamTls: tls, upstreamSocket, proxy }: Way,
    onRenew: () => void,
    protocol: 'http/1.1' | 'h2' = 'http/1.1',
    now = () => performance.now(),
  ) {
    this.#now = now;
    this.#protocol = protocol;
    this.#secure = origin.startsWith('https:');
    this.#upstream = placeOf(origin);
    this.#proxy = proxy;
    this.#where = upstreamSocket === undefined ? placeOf(proxy?.url ?? origin) : { path: upstreamSocket };
    this.#tls = tls;
    const renew = () => {
      this.#staleSince = now();
      onRenew();
    };
    for (const material of [tls.ca, tls.cert, tls.key]) if (material !== undefined) this.#unfollow.push(material.onChange(renew));
  }

  /** Happy eyeballs (RFC 8305) is the platform's. Throws where certificate and key do not fit together, and have not for a while. */
  dial(onread?: OnReadOpts): Dialed {
    // Node's types know "onread" with a host alone.
    const options = { ...this.#where, ...(onread && { onread }), noDelay: true, keepAlive: true } as TcpNetConnectOpts;
    if (!this.#secure) return { socket: connectTcp(options), ready: 'connect' };
    const tunnel = this.#proxy && new ProxyTunnel(this.#endsOf(this.#proxy));
    const socket = this.#secured(tunnel === undefined ? options : { socket: tunnel });
    if (tunnel === undefined) return { socket, ready: 'secureConnect' };
    tunnel.on('error', (error) => socket.destroy(error));
    if (onread !== undefined) readInto(socket, onread);
    return { socket, ready: 'secureConnect' };
  }

  /**
   * The same where no stream of ours may stand between: `node:http2` loses the end of answers over one. Gives what drops it. Throws as `dial`
   * does.
   */
  open({ opened, failed }: Opening): () => void {
    const heard = ({ socket, ready }: Dialed) => socket.once(ready, () => opened(socket)).on('error', failed);
    if (this.#proxy === undefined || !this.#secure) {
      const socket = heard(this.dial());
      return () => socket.destroy();
    }
    let current: Socket = connectThrough(this.#endsOf(this.#proxy), {
      opened: (socket) => {
        try {
          current = heard({ socket: this.#secured({ socket }), ready: 'secureConnect' });
        } catch (error) {
          failed(error);
        }
      },
      failed,
    });
    return () => current.destroy();
  }

  /** TLS over what the options name. */
  #secured(over: ConnectionOptions): TLSSocket {
    const { host } = this.#upstream;
    const context = this.#currentContext();
    const socket = connectTls({
      ...over,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...tlsIdentity(this.#tls),
      secureContext: context,
      ALPNProtocols: [this.#protocol],
      ...(this.#session === undefined ? {} : { session: this.#session }),
    });
    socket.on('session', (session) => {
      // A resumed session is of the certificate that it was made with, on either side (RFC 8446 §2.2).
      if (this.#context === context) this.#session = session;
    });
    return socket;
  }

  #currentContext(): SecureContext {
    if (this.#context !== undefined && this.#staleSince === undefined) return this.#context;
    try {
      this.#context = createSecureContext(tlsIdentity(this.#tls));
      this.#staleSince = undefined;
      this.#session = undefined;
    } catch (error) {
      if (this.#context === undefined || this.#now() - (this.#staleSince ?? 0) > TOGETHER_MS) throw error;
    }
    return this.#context;
  }

  #endsOf(proxy: ProxyConfig): TunnelEnds {
    return { proxy: placeOf(proxy.url), to: this.#upstream, authorization: proxyAuthorization(proxy) };
  }

  close(): void {
    for (const stop of this.#unfollow) stop();
  }
}

/** Node offers no `onread` for TLS over a stream. */
function readInto(socket: Socket, { callback }: OnReadOpts): void {
  socket.on('data', (bytes: Buffer) => callback(bytes.length, bytes));
}
