/** The reading side of a connection: gives bytes to whoever can take them now, and keeps the rest while nobody can. */

import type { Socket } from 'node:net';
import { adopt } from './adopt.ts';

/** Takes what it can from `from` on; gives the index of the first byte that it cannot take yet. */
export type Consume = (bytes: Buffer, from: number) => number;

/** As much as one read gives at most. */
export const READ_BYTES = 64 * 1024;

export class Inlet {
  /** The connection from now on; no other may be used for it. */
  readonly socket: Socket;
  readonly #consume: Consume;
  readonly #shared: Buffer | undefined;
  #own: Buffer | undefined;
  #readsOwn = false;
  /** What is being given out stands in memory that the next read of any connection writes over. */
  #isPassing = false;
  #rest: Buffer | undefined;
  #paused = false;
  #consuming = false;

  /** @param shared memory of `READ_BYTES` that all connections of one thread may be read into, since each is heard at once */
  constructor(accepted: Socket, consume: Consume, shared?: Buffer) {
    this.#consume = consume;
    this.#shared = shared;
    const adopted = shared && adopt(accepted, { buffer: () => this.#memory, callback: this.#onRead });
    this.socket = adopted ?? accepted;
    if (adopted === undefined) accepted.on('data', (bytes: Buffer) => this.#take(bytes)).resume();
  }

  get #memory(): Buffer {
    if (!this.#readsOwn) return this.#shared as Buffer;
    this.#own ??= Buffer.allocUnsafeSlow(READ_BYTES);
    return this.#own;
  }

  /** Whether what is read next may be looked at until reading goes on (a body), or only while it is given out (heads). */
  lend(lasting: boolean): void {
    this.#readsOwn = lasting;
    // Somebody may still look at it.
    if (!lasting) this.#own = undefined;
  }

  /** What is read next need not last any more; what is being looked at stays where it is. Memory that was not needed is not made. */
  endLending(): void {
    if (this.#own === undefined) this.#readsOwn = false;
  }

  /** The same bytes, to be looked at until reading goes on. */
  lasting(bytes: Buffer): Buffer {
    return this.#isPassing ? Buffer.from(bytes) : bytes;
  }

  /** Bytes have come that nobody has taken. */
  get hasRest(): boolean {
    return this.#rest !== undefined;
  }

  /** Reads no more; what is being given out is given out still. */
  pause(): void {
    this.#paused = true;
    this.socket.pause();
  }

  /** Gives out the rest, then reads on, unless some of it is left again or whoever took it has paused. */
  resume(): void {
    this.#paused = false;
    // Whoever is being given bytes gets the next ones by itself.
    if (this.#consuming) return void this.socket.resume();
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest !== undefined) this.#take(rest);
    if (this.#rest === undefined && !this.#paused && !this.socket.destroyed) this.socket.resume();
  }

  /** Nobody will want the rest. */
  forget(): void {
    this.#rest = undefined;
  }

  readonly #onRead = (length: number, memory: Uint8Array): boolean => {
    this.#isPassing = memory === this.#shared;
    this.#take((memory as Buffer).subarray(0, length));
    this.#isPassing = false;
    return true;
  };

  #take(bytes: Buffer): void {
    this.#consuming = true;
    let at = 0;
    for (let before = -1; at < bytes.length && at !== before; ) {
      before = at;
      at = this.#consume(bytes, at);
    }
    this.#consuming = false;
    if (at === bytes.length || this.socket.destroyed) return;
    const rest = bytes.subarray(at);
    this.#rest = this.#rest === undefined ? Buffer.from(rest) : Buffer.concat([this.#rest, rest]);
    this.socket.pause();
  }
}
