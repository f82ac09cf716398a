/** Memory in which the pieces of a short write are put together: used again at once where the write was taken at once, as most are. */

/** Up to here, copying costs less than one more piece in a write. */
const WRITE_BYTES = 8 * 1024;

export class WriteMemory {
  #memory = Buffer.allocUnsafeSlow(WRITE_BYTES);
  /** Where what was left ends, and what was gathered last. */
  #leftTo = 0;
  #gatheredTo = 0;

  /** All of it in one piece, which stays as it is until the next call; `undefined` where it is too long. */
  gather(before: string, bytes: Uint8Array, after: string): Buffer | undefined {
    const length = before.length + bytes.length + after.length;
    if (length > WRITE_BYTES) return undefined;
    if (this.#leftTo + length > WRITE_BYTES) {
      this.#memory = Buffer.allocUnsafeSlow(WRITE_BYTES);
      this.#leftTo = 0;
    }
    const memory = this.#memory;
    const from = this.#leftTo;
    const to = from + length;
    if (before !== '') memory.write(before, from, 'latin1');
    memory.set(bytes, from + before.length);
    if (after !== '') memory.write(after, to - after.length, 'latin1');
    this.#gatheredTo = to;
    return memory.subarray(from, to);
  }

  /** What was gathered is still being read: it is left where it is, and what comes next stands behind it. */
  leave(): void {
    this.#leftTo = this.#gatheredTo;
  }
}
