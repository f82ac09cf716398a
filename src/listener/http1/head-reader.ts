/** Reads the heads of requests off a connection, as bytes arrive; what is no head is refused as soon as that can be told. */

import { FieldSections } from '../../wire/field-lines.ts';
import { HeadCollector } from '../../wire/head-collector.ts';
import { mayBecomeRequest, type ParsedRequestHead, parseRequestHead } from '../../wire/request-head.ts';
import { WireError } from '../../wire/wire-error.ts';
import { refusalOf } from '../refusal.ts';

/** What is known of a head that could not be read. */
export const NO_HEAD: ParsedRequestHead = { method: '', target: '', version: '1.1', fields: [] };

const CR = 13;
const LF = 10;

export class HeadReader {
  readonly #heads: HeadCollector;
  readonly #sections = new FieldSections();
  /** How much of the empty line before a head has come: none yet, its CR, or there is no more to come. */
  #emptyLine: 'possible' | 'begun' | 'past' = 'possible';

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
    try {
      const text = this.#heads.collect(bytes, this.#passEmptyLine(bytes, from));
      if (text !== undefined) {
        this.#emptyLine = 'possible';
        return parseRequestHead(text, this.#sections);
      }
      if (!mayBecomeRequest(this.#heads.beginning)) throw new WireError('malformed', 'the request is not HTTP/1.1');
      return undefined;
    } catch (error) {
      throw this.#toRefusal(error);
    }
  }

  /** One empty line before a request is left over from the one before (RFC 9112 §2.2). */
  #passEmptyLine(bytes: Buffer, from: number): number {
    let at = from;
    if (this.#emptyLine === 'possible' && bytes[at] === CR) {
      this.#emptyLine = 'begun';
      at += 1;
    }
    if (at === bytes.length) return at;
    if (this.#emptyLine === 'begun') {
      if (bytes[at] !== LF) throw new WireError('malformed', 'a line does not end with CR LF');
      at += 1;
    }
    this.#emptyLine = 'past';
    return at;
  }

  #toRefusal(error: unknown): unknown {
    if (!(error instanceof WireError)) return error;
    // A head that is too large before its first line has ended is so by its target.
    const isTarget = error.fault === 'head' && !this.#heads.text.includes('\r\n');
    return refusalOf(isTarget ? new WireError('target', error.message) : error);
  }
}
