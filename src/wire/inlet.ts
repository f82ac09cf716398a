/** The reading side of a connection: gives bytes to whoever can take them now, and keeps the rest while nobody can. */

import type { Socket } from 'node:net';

/** Takes what it can from `from` on; gives the index of the first byte that it cannot take yet. */
export type Consume = (bytes: Buffer, from: number) => number;

export class Inlet {
  readonly #socket: Socket;
  readonly #consume: Consume;
  #rest: Buffer | undefined;
  #paused = false;
  #consuming = false;

  constructor(socket: Socket, consume: Consume) {
    this.#socket = socket;
    this.#consume = consume;
    socket.on('data', (bytes: Buffer) => this.#take(bytes));
  }

  /** Bytes have come that nobody has taken. */
  get hasRest(): boolean {
    return this.#rest !== undefined;
  }

  /** Reads no more; what is being given out is given out still. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  /** Gives out the rest, then reads on, unless some of it is left again or whoever took it has paused. */
  resume(): void {
    this.#paused = false;
    // Whoever is being given bytes gets the next ones by itself.
    if (this.#consuming) return void this.#socket.resume();
    const rest = this.#rest;
    this.#rest = undefined;
    if (rest !== undefined) this.#take(rest);
    if (this.#rest === undefined && !this.#paused && !this.#socket.destroyed) this.#socket.resume();
  }

  /** Nobody will want the rest. */
  forget(): void {
    this.#rest = undefined;
  }

  #take(bytes: Buffer): void {
    this.#consuming = true;
    let at = 0;
    for (let before = -1; at < bytes.length && at !== before; ) {
      before = at;
      at = this.#consume(bytes, at);
    }
    this.#consuming = false;
    if (at === bytes.length || this.#socket.destroyed) return;
    const rest = bytes.subarray(at);
    this.#rest = this.#rest === undefined ? Buffer.from(rest) : Buffer.concat([this.#rest, rest]);
    this.#socket.pause();
  }
}
