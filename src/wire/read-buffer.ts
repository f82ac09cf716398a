/** Where a connection's bytes are read to: memory that is used again, so that reading allocates nothing (`onread` of node:net). */

/** Enough for the heads of most messages; a page or two of real memory for each connection. */
const SMALL_BYTES = 8 * 1024;
/** As much as one read gives at most. */
const LARGE_BYTES = 64 * 1024;

export class ReadBuffer {
  #small = Buffer.allocUnsafeSlow(SMALL_BYTES);
  #large: Buffer | undefined;
  #isLarge = false;

  get current(): Buffer {
    if (!this.#isLarge) return this.#small;
    this.#large ??= Buffer.allocUnsafeSlow(LARGE_BYTES);
    return this.#large;
  }

  /** From the next read on. */
  enlarge(): void {
    this.#isLarge = true;
  }

  /** From the next read on, what the small buffer is enough for. */
  shrink(): void {
    this.#large = undefined;
    this.#isLarge = false;
  }

  /** Somebody has yet to read what the buffer holds: it is left to them, and another takes its place. */
  leave(): void {
    if (this.#large === undefined) this.#small = Buffer.allocUnsafeSlow(SMALL_BYTES);
    this.#large = undefined;
  }
}
