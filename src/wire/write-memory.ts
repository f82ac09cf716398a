/** Memory in which the pieces of a short write are put together: used again at once where the write was taken at once, as most are. */

/** Up to here, copying costs less than one more piece in a write. */
const WRITE_BYTES = 8 * 1024;

export class WriteMemory {
  #memory = Buffer.allocUnsafeSlow(WRITE_BYTES);

  /** All of it in one piece, which stays as it is until the next call; `undefined` where it is too long. */
  gather(before: string, bytes: Uint8Array, after: string): Buffer | undefined {
    const length = before.length + bytes.length + after.length;
    if (length > WRITE_BYTES) return undefined;
    const memory = this.#memory;
    if (before !== '') memory.write(before, 0, 'latin1');
    memory.set(bytes, before.length);
    if (after !== '') memory.write(after, length - after.length, 'latin1');
    return memory.subarray(0, length);
  }

  /** What was gathered is still being read: it is left where it is. */
  leave(): void {
    this.#memory = Buffer.allocUnsafeSlow(WRITE_BYTES);
  }
}
