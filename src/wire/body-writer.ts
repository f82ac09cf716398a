/** Writes one message body in the framing that was announced for it, and never lets a broken one look whole (RFC 9112 §6 and §8). */

import type { Fields } from '../message.ts';
import { fieldLinesText } from './field-lines.ts';
import type { Outlet } from './outlet.ts';
import type { Framing } from './response-head.ts';

export class BodyWriter {
  readonly #outlet: Outlet;
  readonly #framing: Framing;
  #left: number;

  constructor(outlet: Outlet, framing: Framing) {
    this.#outlet = outlet;
    this.#framing = framing;
    this.#left = typeof framing === 'number' ? framing : Number.POSITIVE_INFINITY;
  }

  /** Whether the bytes fit what was announced; nothing is written of those that do not. */
  chunk(bytes: Uint8Array): boolean {
    if (bytes.length === 0) return true;
    if (bytes.length > this.#left) return false;
    this.#left -= bytes.length;
    if (this.#framing === 'chunked') this.#outlet.bytes(bytes, `${bytes.length.toString(16)}\r\n`, '\r\n');
    else this.#outlet.bytes(bytes);
    return true;
  }

  /** Whether the body is as long as announced. */
  end(trailers: Fields): boolean {
    if (this.#framing === 'chunked') this.#outlet.text(trailers.length === 0 ? '0\r\n\r\n' : `0\r\n${fieldLinesText(trailers)}\r\n`);
    return this.#framing === 'chunked' || this.#framing === 'close' || this.#left === 0;
  }
}
