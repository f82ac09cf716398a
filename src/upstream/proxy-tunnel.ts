/** A connection through an HTTP proxy (CONNECT, RFC 9110 §9.3.6): bytes wait until the proxy has agreed, then they pass. */

import { connect, type Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { HeadCollector } from '../wire/head-collector.ts';
import { parseResponseHead } from '../wire/response-head.ts';

/** What a proxy says before it agrees. */
const MAX_HEAD_BYTES = 16 * 1024;

export interface TunnelEnds {
  /** Where the proxy is. */
  readonly proxy: { readonly host: string; readonly port: number };
  /** Host and port of the upstream. */
  readonly authority: string;
  /** `Proxy-Authorization`; nothing else is told the proxy. */
  readonly authorization: string | undefined;
}

/** The code is what `toUpstreamError` goes by. */
export class ProxyFailure extends Error {
  override readonly name = 'ProxyFailure';
  readonly code: 'PROXY_UNREACHABLE' | 'PROXY_CREDENTIALS' | 'PROXY_REFUSED';

  constructor(code: ProxyFailure['code'], cause?: unknown) {
    super('the proxy gives no way to the upstream', { cause });
    this.code = code;
  }
}

export class ProxyTunnel extends Duplex {
  readonly #socket: Socket;
  readonly #heads = new HeadCollector(MAX_HEAD_BYTES);
  #open = false;
  #waiting: (() => void) | undefined;

  constructor({ proxy, authority, authorization }: TunnelEnds) {
    super({ allowHalfOpen: true });
    const credentials = authorization === undefined ? '' : `Proxy-Authorization: ${authorization}\r\n`;
    this.#socket = connect({ ...proxy, noDelay: true, keepAlive: true })
      .on('data', (bytes: Buffer) => this.#take(bytes))
      .on('error', (error) => this.#fail(error))
      .on('end', () => (this.#open ? this.push(null) : this.#fail()))
      .on('close', () => this.destroy());
    this.#socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${credentials}\r\n`, 'latin1');
  }

  override _read(): void {
    this.#socket.resume();
  }

  override _write(bytes: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (this.#open) this.#socket.write(bytes, done);
    else this.#waiting = () => this.#socket.write(bytes, done);
  }

  override _final(done: () => void): void {
    this.#socket.end(done);
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    this.#socket.destroy();
    done(error);
  }

  #take(bytes: Buffer): void {
    if (this.#open) {
      if (!this.push(bytes)) this.#socket.pause();
      return;
    }
    try {
      const text = this.#heads.collect(bytes, 0);
      if (text !== undefined) this.#onAnswer(text, bytes);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Whatever a 2xx says of its body, there is none: what follows is the tunnel (RFC 9110 §9.3.6). The upstream speaks only when spoken to. */
  #onAnswer(text: string, bytes: Buffer): void {
    const { status } = parseResponseHead(text, 'CONNECT');
    if (status === 407) return this.#refused('PROXY_CREDENTIALS');
    if (status < 200 || status > 299 || this.#heads.next < bytes.length) return this.#refused('PROXY_REFUSED');
    this.#open = true;
    this.#waiting?.();
    this.#waiting = undefined;
  }

  #refused(code: ProxyFailure['code']): void {
    this.destroy(new ProxyFailure(code));
  }

  #fail(error?: unknown): void {
    if (this.#open) this.destroy(error as Error);
    else this.destroy(new ProxyFailure('PROXY_UNREACHABLE', error));
  }
}
