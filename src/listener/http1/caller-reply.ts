/** The answer to one request: its head, its body in a framing stated anew, and whether the connection goes on after it. */

import { STATUS_CODES } from 'node:http';
import { derive } from '../../derive.ts';
import type { Fields, Reply, ReplySink } from '../../message.ts';
import { BodyWriter } from '../../wire/body-writer.ts';
import { fieldLinesText } from '../../wire/field-lines.ts';
import type { Outlet } from '../../wire/outlet.ts';
import { type Framing, hasNoBody } from '../../wire/response-head.ts';

/** What an answer needs of its connection. */
export interface ReplyTarget {
  readonly outlet: Outlet;
  /** Whether the connection closes after this answer, whatever the answer says. */
  readonly closing: boolean;
  /** The value of `Date` at this moment. */
  date(): string;
  /** @param close whether the connection must close now */
  replied(close: boolean): void;
  /** Tears the connection down, with a reset where its end would look like the end of the answer. */
  breakOff(reset: boolean): void;
  /** The answer is being written, or waits for the caller to take it. */
  progressed(): void;
}

export interface AskedBy {
  readonly method: string;
  readonly version: '1.0' | '1.1';
}

export class CallerReply implements Reply, ReplySink {
  readonly #target: ReplyTarget;
  readonly #asked: AskedBy;
  readonly #ownsContinue: boolean;
  #writer: BodyWriter | undefined;
  #framing: Framing = 0;
  #close = false;
  #over = false;
  #resume = (): void => {};

  /** @param ownsContinue the caller is told by the connection itself when to send its body */
  constructor(target: ReplyTarget, asked: AskedBy, ownsContinue: boolean) {
    this.#target = target;
    this.#asked = asked;
    this.#ownsContinue = ownsContinue;
  }

  get started(): boolean {
    return this.#writer !== undefined;
  }

  get over(): boolean {
    return this.#over;
  }

  get full(): boolean {
    return this.#target.outlet.full;
  }

  interim(status: number, fields: Fields): void {
    // An HTTP/1.0 client knows none (RFC 9110 §15.2).
    if (this.started || this.#asked.version === '1.0') return;
    if (status === 100 && this.#ownsContinue) return;
    this.#target.outlet.text(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${fieldLinesText(withoutLength(fields))}\r\n`);
  }

  start(status: number, reason: string, fields: Fields, resume: () => void): ReplySink {
    const { method, version } = this.#asked;
    const stated = derive(fields, readStated);
    this.#framing = hasNoBody(method, status) ? 0 : (stated.length ?? (version === '1.1' && status !== 101 ? 'chunked' : 'close'));
    this.#close = this.#target.closing || stated.close || this.#framing === 'close';
    this.#resume = resume;
    this.#writer = new BodyWriter(this.#target.outlet, this.#framing);
    const lines = status === 204 ? fieldLinesText(withoutLength(fields)) : derive(fields, fieldLinesText);
    let text = `HTTP/1.1 ${status} ${reason === '' ? (STATUS_CODES[status] ?? '') : reason}\r\n${lines}`;
    if (!stated.date) text += `date: ${this.#target.date()}\r\n`;
    if (this.#framing === 'chunked') text += 'transfer-encoding: chunked\r\n';
    if (this.#close && !stated.close) text += 'connection: close\r\n';
    else if (version === '1.0' && !this.#close) text += 'connection: keep-alive\r\n';
    this.#target.outlet.hold(`${text}\r\n`);
    return this;
  }

  chunk(bytes: Uint8Array): void {
    if (this.#over) return;
    if (this.#asked.method === 'HEAD' || this.#writer?.chunk(bytes) === true) this.#target.progressed();
    else this.fail();
  }

  end(trailers: Fields): void {
    if (this.#over) return;
    if (this.#writer?.end(trailers) !== true) return this.fail();
    this.#over = true;
    this.#target.outlet.flush();
    this.#target.replied(this.#close);
  }

  /** What was sent cannot pass for a whole answer (RFC 9112 §8): the last chunk is missing, or else the connection is reset. */
  fail(): void {
    if (this.#over) return;
    this.#over = true;
    // An answer of which not even the head arrives would be asked for again by many.
    this.#target.outlet.flush();
    this.#target.breakOff(this.#framing !== 'chunked');
  }

  onRoom(): void {
    if (!this.#over) this.#resume();
  }
}

interface Stated {
  length: number | undefined;
  close: boolean;
  date: boolean;
}

/** The fields are ours or have been through `createAnswerPassing`: a length among them is one number, a `connection` says "close". */
function readStated(fields: Fields): Readonly<Stated> {
  const stated: Stated = { length: undefined, close: false, date: false };
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name.length === 14 && name.toLowerCase() === 'content-length') stated.length = Number(fields[i + 1]);
    else if (name === 'connection') stated.close = true;
    else if (name.length === 4 && name.toLowerCase() === 'date') stated.date = true;
  }
  return stated;
}

/** RFC 9110 §8.6: neither a 1xx nor a 204 has one. */
function withoutLength(fields: Fields): Fields {
  return fields.filter((_text, index) => (fields[index - (index % 2)] as string).toLowerCase() !== 'content-length');
}
