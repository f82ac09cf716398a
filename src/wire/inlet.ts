/** The reading side of a connection: gives bytes to whoever can take them now, and keeps the rest while nobody can. */

import type { Socket } from 'node:net';
import { adopt } from './adopt.ts';
import type { BodyMemory } from './body-memory.ts';

/** Takes what it can from `from` on; gives the index of the first byte that it cannot take yet. */
export type Consume = (bytes: Buffer, from: number) => number;

/** As much as one read gives at most, of what is no body. */
export const READ_BYTES = 64 * 1024;

export interface InletMemory {
  /** Of `READ_BYTES`, for all connections of one thread: each is heard at once. */
  readonly shared: Buffer;
  readonly bodies: BodyMemory;
}

export class Inlet {
  /** The connection from now on; no other may be used for it. */
  readonly socket: Socket;
  readonly #consume: Consume;
  readonly #memory: InletMemory | undefined;
  #own: Buffer | undefined;
  #readsOwn = false;
  /** What is being given out stands in memory that the next read of any connection writes over. */
  #isPassing = false;
  #rest: Buffer | undefined;
  #paused = false;
  #consuming = false;

  constructor(accepted: Socket, consume: Consume, memory?: InletMemory) {
    this.#consume = consume;
    this.#memory = memory;
    const adopted = memory && adopt(accepted, { buffer: () => this.#nextMemory(memory), callback: this.#onRead });
    this.socket = adopted ?? accepted;
    if (adopted === undefined) accepted.on('data', (bytes: Buffer) => this.#take(bytes)).resume();
  }

  /** Asked for when a read has been heard: then the memory of the last one is not written to any more. */
  #nextMemory({ shared, bodies }: InletMemory): Buffer {
    if (this.#readsOwn) {
      this.#own ??= bodies.take();
      return this.#own;
    }
    if (this.#own !== undefined) bodies.giveBack(this.#own);
    this.#own = undefined;
    return shared;
  }

  /** What is read from now on may be looked at until reading goes on (a body), not only while it is given out (a head). */
  lend(): void {
    this.#readsOwn = true;
  }

  /** Nobody looks at what was read any more. */
  takeBack(): void {
    this.#readsOwn = false;
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
    if (rest !== undefined) this.#take(rest, true);
    if (this.#rest === undefined && !this.#paused && !this.socket.destroyed) this.socket.resume();
  }

  readonly #onRead = (length: number, memory: Uint8Array): boolean => {
    this.#isPassing = memory === this.#memory?.shared;
    this.#take((memory as Buffer).subarray(0, length));
    this.#isPassing = false;
    return true;
  };

  /** @param isOurs nobody else writes there: what is left of it need not be copied, thousands of times where requests stand in line */
  #take(bytes: Buffer, isOurs = false): void {
    this.#consuming = true;
    let at = 0;
    for (let before = -1; at < bytes.length && at !== before; ) {
      before = at;
      at = this.#consume(bytes, at);
    }
    this.#consuming = false;
    if (at === bytes.length || this.socket.destroyed) return;
    const rest = bytes.subarray(at);
    if (this.#rest !== undefined) this.#rest = Buffer.concat([this.#rest, rest]);
    else this.#rest = isOurs ? rest : Buffer.from(rest);
    this.socket.pause();
  }
}
