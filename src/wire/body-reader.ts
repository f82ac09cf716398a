/** Reads one message body by its framing (RFC 9112 §6): tells where it ends, and whether the end of the connection is that end. */

import { ChunkedReader, type TakeChunk } from './chunked-reader.ts';
import type { Framing } from './response-head.ts';

export class BodyReader {
  readonly #take: TakeChunk;
  readonly #chunked: ChunkedReader | undefined;
  /** Bytes still to come; infinite where the connection's end is the body's. */
  #left: number;

  /** @param take gets the data; the bytes are lent until it returns */
  constructor(framing: Framing, take: TakeChunk) {
    this.#take = take;
    this.#chunked = framing === 'chunked' ? new ChunkedReader() : undefined;
    this.#left = typeof framing === 'number' ? framing : Number.POSITIVE_INFINITY;
  }

  get done(): boolean {
    return this.#chunked === undefined ? this.#left === 0 : this.#chunked.done;
  }

  /** Fields behind the last chunk; there once `done`. Throws `WireError` when they are malformed. */
  get trailers(): string[] {
    return this.#chunked?.trailers ?? [];
  }

  /** Whether the body is complete when the connection ends now. */
  get endsWithConnection(): boolean {
    return this.done || (this.#chunked === undefined && this.#left === Number.POSITIVE_INFINITY);
  }

  /** Reads on from `from`; gives the index of the first byte behind the body. Throws `WireError`. */
  read(bytes: Buffer, from: number): number {
    if (this.#chunked !== undefined) return this.#chunked.read(bytes, from, this.#take);
    const end = Math.min(bytes.length, from + this.#left);
    this.#left -= end - from;
    if (end > from) this.#take(bytes.subarray(from, end));
    return end;
  }
}
