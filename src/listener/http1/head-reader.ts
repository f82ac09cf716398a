/** Reads the heads of requests off a connection, as bytes arrive; what is no head is refused as soon as that can be told. */

import { HeadCollector } from '../../wire/head-collector.ts';
import { mayBecomeRequest, type ParsedRequestHead, parseRequestHead } from '../../wire/request-head.ts';
import { WireError } from '../../wire/wire-error.ts';
import { refusalOf } from '../refusal.ts';

const CR = 13;
const LF = 10;

export class HeadReader {
  readonly #heads: HeadCollector;

  /** @param limits bytes; both are checked exactly on what is read, so no more than their sum is ever collected */
  constructor(limits: { readonly maxHeader: number; readonly maxTarget: number }) {
    this.#heads = new HeadCollector(limits.maxHeader + limits.maxTarget);
  }

  /** The first bytes of a head have come. */
  get begun(): boolean {
    return this.#heads.begun;
  }

  /** Index of the first byte behind the head that `read` gave. */
  get next(): number {
    return this.#heads.next;
  }

  /** The head, or `undefined` while it is not whole. Throws the refusal of what is none. */
  read(bytes: Buffer, from: number): ParsedRequestHead | undefined {
    // An empty line before a request is left over from the one before (RFC 9112 §2.2).
    const isEmptyLine = !this.begun && bytes[from] === CR && bytes[from + 1] === LF;
    try {
      const text = this.#heads.collect(bytes, isEmptyLine ? from + 2 : from);
      if (text !== undefined) return parseRequestHead(text);
      if (!mayBecomeRequest(this.#heads.text)) throw new WireError('malformed', 'the request is not HTTP/1.1');
      return undefined;
    } catch (error) {
      throw this.#toRefusal(error);
    }
  }

  #toRefusal(error: unknown): unknown {
    if (!(error instanceof WireError)) return error;
    // A head that is too large before its first line has ended is so by its target.
    const isTarget = error.fault === 'head' && !this.#heads.text.includes('\r\n');
    return refusalOf(isTarget ? new WireError('target', error.message) : error);
  }
}
