/** Opens connections to one upstream: TCP, or TLS with verified names and resumed sessions (RFC 8446 §2.2). */

import { connect as connectTcp, isIP, type OnReadOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import type { RouteConfig } from '../config/schema/routes.ts';
import { tlsIdentity } from './tls-identity.ts';

export interface Dialed {
  readonly socket: Socket;
  /** The event after which requests may be sent. */
  readonly ready: 'connect' | 'secureConnect';
}

export class Dialer {
  readonly #where: { readonly host: string; readonly port: number };
  readonly #secure: boolean;
  readonly #tls: RouteConfig['upstreamTls'];
  readonly #unfollow: (() => void)[] = [];
  #context: SecureContext | undefined;
  #session: Buffer | undefined;

  /**
   * @param origin scheme, host and port of the upstream
   * @param onRenew runs when a certificate or key has changed: connections from before are of the old identity
   */
  constructor(origin: string, tls: RouteConfig['upstreamTls'], onRenew: () => void) {
    const { protocol, hostname, port } = new URL(origin);
    this.#secure = protocol === 'https:';
    this.#where = { host: hostname.replace(/^\[|\]$/g, ''), port: Number(port) || (this.#secure ? 443 : 80) };
    this.#tls = tls;
    const renew = () => {
      this.#context = undefined;
      this.#session = undefined;
      onRenew();
    };
    for (const material of [tls.ca, tls.cert, tls.key]) if (material !== undefined) this.#unfollow.push(material.onChange(renew));
  }

  /** Happy eyeballs (RFC 8305) is the platform's. Throws where certificate and key do not fit together. */
  dial(onread: OnReadOpts): Dialed {
    const options = { ...this.#where, onread, noDelay: true, keepAlive: true };
    if (!this.#secure) return { socket: connectTcp(options), ready: 'connect' };
    const identity = tlsIdentity(this.#tls);
    this.#context ??= createSecureContext(identity);
    const { host } = this.#where;
    const socket = connectTls({
      ...options,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...identity,
      secureContext: this.#context,
      ALPNProtocols: ['http/1.1'],
      ...(this.#session === undefined ? {} : { session: this.#session }),
    } as ConnectionOptions);
    socket.on('session', (session) => {
      this.#session = session;
    });
    return { socket, ready: 'secureConnect' };
  }

  close(): void {
    for (const stop of this.#unfollow) stop();
  }
}
