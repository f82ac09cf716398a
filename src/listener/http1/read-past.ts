/** What a caller sends that nobody wants: it is read all the same, so that the caller is not reset before it has read our answer (RFC 9112 §9.6). */

/** How much is read, and for how long, before the connection is dropped. */
const LINGER_BYTES = 32 * 1024 ** 2;
export const LINGER_MS = 5_000;

export class ReadPast {
  #left = LINGER_BYTES;

  /** Another request begins. */
  begin(): void {
    this.#left = LINGER_BYTES;
  }

  /** @param count bytes that have come */
  isTooMuch(count: number): boolean {
    this.#left -= count;
    return this.#left < 0;
  }
}
