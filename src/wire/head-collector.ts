/** Collects the bytes of a head until its empty line is there (RFC 9112 §2.1). */

import { WireError } from './wire-error.ts';

const EMPTY_LINE = '\r\n\r\n';

/** Most heads are shorter: only so much is looked at first. */
export const USUAL_BYTES = 2 * 1024;

/** How much longer than the last one the next head of a connection may be, for the rest of what was read not to be looked at. */
const MARGIN_BYTES = 32;

/** What is looked at again when more comes: the beginning of an empty line. */
const LOOK_BACK_BYTES = EMPTY_LINE.length - 1;

/** So much of a head says whether it can become one. */
const BEGINNING_BYTES = 64;

export class HeadCollector {
  readonly #maxBytes: number;
  /** Not looked at before it is whole: who sends byte by byte would have all of it copied each time. */
  #partial = '';
  #beginning = '';
  /** The last bytes of `#partial`. */
  #recent = '';
  /** The head ends within so many bytes, most likely. */
  #usualBytes = USUAL_BYTES;
  /** Index of the first byte behind the head that `collect` gave, in the buffer it was given. */
  next = 0;

  /** @param maxBytes of the head, its last empty line not counted */
  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Whether the first bytes of a head have come. */
  get begun(): boolean {
    return this.#partial !== '';
  }

  /** The first bytes of what is here of a head that is not whole. */
  get beginning(): string {
    return this.#beginning;
  }

  /** What is here of a head that is not whole. */
  get text(): string {
    return this.#partial;
  }

  /** The head without its last two line breaks, or `undefined` while it is not whole. Throws `WireError`. */
  collect(bytes: Buffer, from: number): string | undefined {
    const known = this.#partial.length;
    const read = this.#read(bytes, from);
    const looked = this.#recent.length;
    const recent = this.#recent + read;
    const endAt = recent.indexOf(EMPTY_LINE);
    if (endAt !== -1) {
      const length = known - looked + endAt;
      const text = (this.#partial + read).slice(0, length);
      if (known > 0) this.#forget();
      this.next = from + length + EMPTY_LINE.length - known;
      this.#usualBytes = Math.min(length + MARGIN_BYTES, USUAL_BYTES);
      return text;
    }
    // Said at once: who ends lines with LF alone would wait for ever for the empty line to be seen.
    if (hasStrayBreak(recent, looked)) throw new WireError('malformed', 'a line does not end with CR LF');
    this.#partial += read;
    this.#beginning += read.slice(0, BEGINNING_BYTES - Math.min(known, BEGINNING_BYTES));
    this.#recent = recent.slice(-LOOK_BACK_BYTES);
    if (this.#partial.length >= this.#maxBytes + 4) throw new WireError('head', 'the head is too large: send fewer or shorter fields');
    return undefined;
  }

  #forget(): void {
    this.#partial = '';
    this.#beginning = '';
    this.#recent = '';
  }

  /** As much as a head may still have; less where it ends sooner, since 64 KiB of a body may stand behind it. */
  #read(bytes: Buffer, from: number): string {
    const end = Math.min(bytes.length, from + this.#maxBytes + 4 - this.#partial.length);
    const usualEnd = from + this.#usualBytes;
    if (usualEnd < end) {
      const text = bytes.toString('latin1', from, usualEnd);
      if (text.includes(EMPTY_LINE)) return text;
    }
    return bytes.toString('latin1', from, end);
  }
}

/** Whether what stands from `from` on brings LF without its CR; CR without its LF is found where the lines are taken apart. */
export function hasStrayBreak(text: string, from: number): boolean {
  for (let at = text.indexOf('\n', from); at !== -1; at = text.indexOf('\n', at + 1)) if (text[at - 1] !== '\r') return true;
  return false;
}
