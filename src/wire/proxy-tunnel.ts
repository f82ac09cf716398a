/** A connection through an HTTP proxy as a stream: bytes wait until the proxy has agreed, then they pass. */

import type { Socket } from 'node:net';
import { Duplex } from 'node:stream';
import { connectThrough, type TunnelEnds } from './proxy-handshake.ts';

export class ProxyTunnel extends Duplex {
  readonly #socket: Socket;
  #open = false;
  #waiting: (() => void) | undefined;

  constructor(ends: TunnelEnds) {
    super({ allowHalfOpen: true });
    this.#socket = connectThrough(ends, { opened: () => this.#onOpen(), failed: (error) => this.destroy(error) });
  }

  override _read(): void {
    if (this.#open) this.#socket.resume();
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

  #onOpen(): void {
    this.#open = true;
    this.#socket
      .on('data', (bytes: Buffer) => {
        if (!this.push(bytes)) this.#socket.pause();
      })
      .on('error', (error) => this.destroy(error))
      .on('end', () => this.push(null))
      .on('close', () => this.destroy())
      .resume();
    this.#waiting?.();
    this.#waiting = undefined;
  }
}
