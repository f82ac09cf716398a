/** Where a connection's bytes are read to: memory that is used again, so that reading allocates nothing (`onread` of node:net). */

import type { BodyMemory } from './body-memory.ts';

/** Enough for the heads of most messages; a page or two of real memory for each connection. */
const SMALL_BYTES = 8 * 1024;

export class ReadBuffer {
  readonly #bodies: BodyMemory;
  #small = Buffer.allocUnsafeSlow(SMALL_BYTES);
  #large: Buffer | undefined;
  #isLarge = false;

  constructor(bodies: BodyMemory) {
    this.#bodies = bodies;
  }

  get current(): Buffer {
    if (!this.#isLarge) return this.#small;
    this.#large ??= this.#bodies.take();
    return this.#large;
  }

  /** From the next read on. */
  enlarge(): void {
    this.#isLarge = true;
  }

  /** From the next read on, what the small buffer is enough for. While a read is being heard: at other times one may be on its way. */
  shrink(): void {
    if (this.#large !== undefined) this.#bodies.giveBack(this.#large);
    this.#large = undefined;
    this.#isLarge = false;
  }

  /** Somebody has yet to read what the buffer holds: it is left to them, and another takes its place. */
  leave(): void {
    if (this.#large === undefined) this.#small = Buffer.allocUnsafeSlow(SMALL_BYTES);
    this.#large = undefined;
  }
}
