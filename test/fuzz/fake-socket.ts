/** As much of a socket as the engine uses, without a kernel: what is fed arrives at once. */

import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';

type Done = ((error?: Error | null) => void) | undefined;

export class FakeSocket extends EventEmitter {
  readonly remoteAddress = '127.0.0.1';
  readonly writableLength = 0;
  destroyed = false;
  writable = true;
  #paused = false;
  readonly #waiting: (Buffer | undefined)[] = [];
  readonly #written: Buffer[] = [];

  /** It is one as far as the engine can tell. */
  asSocket(): Socket {
    return this as unknown as Socket;
  }

  get written(): Buffer {
    return Buffer.concat(this.#written);
  }

  /** `undefined`: the other side sends no more. */
  feed(piece: Buffer | undefined): void {
    this.#waiting.push(piece);
    this.#give();
  }

  pause(): this {
    this.#paused = true;
    return this;
  }

  resume(): this {
    this.#paused = false;
    queueMicrotask(() => this.#give());
    return this;
  }

  isPaused(): boolean {
    return this.#paused;
  }

  write(chunk: string | Uint8Array, encoding?: unknown, done?: Done): boolean {
    const callback = (typeof encoding === 'function' ? encoding : done) as Done;
    if (!this.destroyed)
      this.#written.push(Buffer.from(chunk as string, typeof encoding === 'string' ? (encoding as 'latin1') : undefined));
    if (callback !== undefined) queueMicrotask(() => callback(this.destroyed ? new Error('closed') : null));
    return true;
  }

  end(done?: () => void): this {
    this.writable = false;
    if (done !== undefined) queueMicrotask(done);
    return this;
  }

  destroy(): this {
    if (this.destroyed) return this;
    this.destroyed = true;
    this.writable = false;
    queueMicrotask(() => this.emit('close'));
    return this;
  }

  cork(): void {}
  uncork(): void {}

  #give(): void {
    while (!this.#paused && !this.destroyed && this.#waiting.length > 0) {
      const piece = this.#waiting.shift();
      if (piece === undefined) this.emit('end');
      else this.emit('data', piece);
    }
  }
}
