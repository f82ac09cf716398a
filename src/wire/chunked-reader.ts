/** The chunked coding, read byte by byte where it is strict and in one piece where it is data (RFC 9112 §7.1). */

import { parseFieldLines } from './field-lines.ts';
import { hasStrayBreak } from './head-collector.ts';
import { WireError } from './wire-error.ts';

/** Receives the data of chunks; the bytes are lent until it returns. */
export type TakeChunk = (bytes: Buffer) => void;

/** More digits than any size that a number holds exactly needs. */
const MAX_SIZE_DIGITS = 12;
/** Extensions mean nothing to anybody here; a few are borne, a flood of them would cost the CPU of real data (CVE-2024-22019). */
const MAX_EXTENSION_BYTES = 4 * 1024;
const MAX_TRAILER_BYTES = 8 * 1024;

const TOKEN = "[!#$%&'*+\\-.^_`|~0-9A-Za-z]+";
const QUOTED = '"(?:[\\t !#-[\\]-~\\x80-\\xff]|\\\\[\\t -~\\x80-\\xff])*"';
/** RFC 9112 §7.1.1, behind the first ";" and without the bad whitespace that it allows: nobody needs to repair it. */
const EXTENSIONS = new RegExp('^@(?:;@)*$'.replaceAll('@', `${TOKEN}(?:=(?:${TOKEN}|${QUOTED}))?`));
/** What says where a message ends cannot come after its end (RFC 9110 §6.5.1). */
const FRAMING_NAME = /^(?:content-length|transfer-encoding)$/i;

const CR = 13;
const LF = 10;
const SEMICOLON = 59;

/** Up to here copying chunks together costs less than passing on each: one byte in each of thousands took 10 µs of everybody's time. */
const SHORT_BYTES = 4 * 1024;
const MOST_TOGETHER_BYTES = 16 * 1024;

/** Where in the coding the next byte stands. `done`: behind the last one. */
type State = 'size' | 'extension' | 'size-lf' | 'data' | 'data-cr' | 'data-lf' | 'trailers' | 'done';

export class ChunkedReader {
  #state: State = 'size';
  #size = 0;
  #digits = 0;
  #left = 0;
  #extension = '';
  #extensionBytes = 0;
  #trailerText = '';
  /** Short chunks of this read, to be given as one. */
  #short: Buffer | undefined;
  #shortBytes = 0;

  get done(): boolean {
    return this.#state === 'done';
  }

  /** Fields of the trailer section; there once `done`. */
  get trailers(): string[] {
    const fields = parseFieldLines(this.#trailerText.slice(0, -4), 0);
    if (fields.some((name, index) => index % 2 === 0 && FRAMING_NAME.test(name))) throw malformed('a length stands in the trailer section');
    return fields;
  }

  /** Reads on from `from`; gives the index of the first byte not taken. Throws `WireError`. */
  read(bytes: Buffer, from: number, take: TakeChunk): number {
    let at = from;
    try {
      while (at < bytes.length && this.#state !== 'done') {
        if (this.#state === 'data') at = this.#readData(bytes, at, take);
        else if (this.#state === 'trailers') at = this.#readTrailers(bytes, at);
        else this.#step(bytes[at++] as number);
      }
    } finally {
      // What stands before something malformed has come all the same.
      this.#giveShort(take);
    }
    return at;
  }

  #readData(bytes: Buffer, at: number, take: TakeChunk): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#left -= end - at;
    if (this.#left === 0) this.#state = 'data-cr';
    if (end - at <= SHORT_BYTES) this.#gather(bytes, at, end, take);
    else {
      this.#giveShort(take);
      take(bytes.subarray(at, end));
    }
    return end;
  }

  #gather(bytes: Buffer, at: number, end: number, take: TakeChunk): void {
    if (this.#short === undefined || this.#shortBytes + end - at > this.#short.length) {
      this.#giveShort(take);
      this.#short = Buffer.allocUnsafe(Math.min(bytes.length - at, MOST_TOGETHER_BYTES));
    }
    this.#shortBytes += bytes.copy(this.#short, this.#shortBytes, at, end);
  }

  #giveShort(take: TakeChunk): void {
    const together = this.#short?.subarray(0, this.#shortBytes);
    this.#short = undefined;
    this.#shortBytes = 0;
    if (together !== undefined) take(together);
  }

  #step(byte: number): void {
    if (this.#state === 'size') return this.#readSize(byte);
    if (this.#state === 'extension') return this.#readExtension(byte);
    if (this.#state === 'data-cr') {
      if (byte !== CR) throw malformed('a chunk is longer than its size says');
      this.#state = 'data-lf';
      return;
    }
    if (byte !== LF) throw malformed('a chunk does not end with CR LF');
    if (this.#state === 'data-lf') this.#state = 'size';
    else this.#beginData();
  }

  #beginData(): void {
    this.#state = this.#size === 0 ? 'trailers' : 'data';
    this.#left = this.#size;
    this.#size = 0;
    this.#digits = 0;
  }

  #readSize(byte: number): void {
    const digit = hexDigit(byte);
    if (digit !== -1) {
      this.#digits += 1;
      if (this.#digits > MAX_SIZE_DIGITS) throw malformed('a chunk size has too many digits');
      this.#size = this.#size * 16 + digit;
      return;
    }
    if (this.#digits === 0) throw malformed('a chunk size is missing');
    if (byte === CR) this.#state = 'size-lf';
    else if (byte === SEMICOLON) this.#state = 'extension';
    else throw malformed('a chunk size is malformed');
  }

  #readExtension(byte: number): void {
    this.#extensionBytes += 1;
    if (this.#extensionBytes > MAX_EXTENSION_BYTES) throw malformed('the chunk extensions are too long');
    if (byte !== CR) {
      this.#extension += String.fromCharCode(byte);
      return;
    }
    if (!EXTENSIONS.test(this.#extension)) throw malformed('a chunk extension is malformed');
    this.#extension = '';
    this.#state = 'size-lf';
  }

  #readTrailers(bytes: Buffer, at: number): number {
    const known = this.#trailerText.length;
    const text = this.#trailerText + bytes.toString('latin1', at, Math.min(bytes.length, at + MAX_TRAILER_BYTES + 4 - known));
    // No trailer at all is the rule: the empty line comes first.
    const endAt = text.startsWith('\r\n') ? 2 : text.indexOf('\r\n\r\n') + 4;
    if (endAt > 3 || endAt === 2) {
      this.#trailerText = text.slice(0, endAt);
      this.#state = 'done';
      return at + endAt - known;
    }
    if (hasStrayBreak(text, known)) throw malformed('a line of the trailer section does not end with CR LF');
    if (text.length >= MAX_TRAILER_BYTES + 4) throw malformed('the trailer section is too long');
    this.#trailerText = text;
    return bytes.length;
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  const lower = byte | 0x20;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}

function malformed(message: string): WireError {
  return new WireError('malformed', message);
}
