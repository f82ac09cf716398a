/** The answer to a request as frames of its stream, with backpressure; what is known at once goes out together. */

import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Fields, Reply, ReplySink } from '../../message.ts';
import { groupedFields } from '../../wire/grouped-fields.ts';
import { hasNoBody } from '../../wire/response-head.ts';

/** What an answer needs of its stream's owner. */
export interface ReplyOwner {
  /** The value of `Date` at this moment. */
  date(): string;
  /** The answer is being written, or waits for the caller to take it. */
  moved(): void;
  /** Nothing will be added to it. */
  replied(): void;
  /** The stream cannot end well. */
  reset(code: number): void;
  /** Nobody foresaw it: the stream ends. */
  fault(cause: unknown): void;
  /** All of it is with the caller, as far as its windows let it. */
  sent(): void;
}

/** What an answer has no use for in HTTP/2 (RFC 9113 §8.2.2): streams end by themselves. */
const CONNECTION_SPECIFIC = 'connection';

export class StreamReply implements Reply, ReplySink {
  readonly #stream: ServerHttp2Stream;
  readonly #owner: ReplyOwner;
  readonly #method: string;
  readonly #ownsContinue: boolean;
  /** A head that has not gone out yet, and the first bytes behind it. */
  #held: { readonly head: string[]; first: Buffer | undefined } | undefined;
  #started = false;
  #over = false;
  #full = false;
  #bodiless = false;
  /** The stream ends with trailers, though there may be none of them. */
  #waits = false;
  #left = Number.POSITIVE_INFINITY;
  #trailers: Fields = [];
  #resume = (): void => {};

  /** @param ownsContinue the caller is told by the stream itself when to send its body */
  constructor(stream: ServerHttp2Stream, method: string, ownsContinue: boolean, owner: ReplyOwner) {
    this.#stream = stream;
    this.#method = method;
    this.#ownsContinue = ownsContinue;
    this.#owner = owner;
  }

  get started(): boolean {
    return this.#started;
  }

  /** Nothing will be added to it. */
  get over(): boolean {
    return this.#over;
  }

  get full(): boolean {
    return this.#full;
  }

  interim(status: number, fields: Fields): void {
    if (this.#started || this.#gone || (status === 100 && this.#ownsContinue)) return;
    this.#stream.additionalHeaders({ ':status': status, ...groupedFields(withoutLength(fields)) });
  }

  start(status: number, _reason: string, fields: Fields, resume: () => void): ReplySink {
    this.#started = true;
    this.#resume = resume;
    // Node ends a 205 with its head: a length that is then not met would make the caller refuse all of it (RFC 9110 §15.3.6).
    this.#bodiless = hasNoBody(this.#method, status) || status === 205;
    const shown = status === 204 || status === 205 ? withoutLength(fields) : fields;
    this.#left = lengthOf(shown);
    this.#held = { head: headOf(status, shown, this.#owner.date()), first: undefined };
    process.nextTick(() => this.#guarded(() => this.#flush()));
    return this;
  }

  chunk(bytes: Uint8Array): void {
    if (this.#over || this.#bodiless) return;
    this.#left -= bytes.length;
    if (this.#left < 0) return this.fail();
    // The bytes are lent, and a stream keeps them until its window opens.
    const kept = Buffer.from(bytes);
    if (this.#held !== undefined && this.#held.first === undefined) this.#held.first = kept;
    else this.#write(kept);
  }

  end(trailers: Fields): void {
    if (this.#over) return;
    if (!this.#bodiless && this.#left > 0 && this.#left !== Number.POSITIVE_INFINITY) return this.fail();
    this.#over = true;
    this.#trailers = trailers;
    if (!this.#gone) this.#finish();
    this.#owner.replied();
  }

  /** What was sent cannot pass for a whole answer: the stream is reset (RFC 9113 §8.1). */
  fail(): void {
    if (this.#over) return;
    this.#flush();
    this.#over = true;
    this.#owner.reset(constants.NGHTTP2_INTERNAL_ERROR);
    this.#owner.replied();
  }

  get #gone(): boolean {
    return this.#stream.destroyed || this.#stream.closed;
  }

  #finish(): void {
    const held = this.#held;
    this.#held = undefined;
    // Without trailers to come the last bytes can end the stream; a head alone ends it too, as gRPC wants of an error.
    const wait = !this.#bodiless && this.#trailers.length > 0;
    if (held !== undefined) this.#respond(held.head, { endStream: held.first === undefined && !wait, wait });
    const stream = this.#stream;
    const sent = () => this.#owner.sent();
    // Node ends the stream of a HEAD by itself, long before.
    if (stream.writableFinished) setImmediate(sent);
    else if (!this.#waits) stream.once('finish', sent);
    stream.end(held?.first);
  }

  #flush(): void {
    const held = this.#held;
    this.#held = undefined;
    if (held === undefined || this.#gone) return;
    this.#respond(held.head, { endStream: this.#bodiless, wait: !this.#bodiless });
    if (held.first !== undefined) this.#write(held.first);
  }

  #respond(head: string[], { endStream, wait }: { endStream: boolean; wait: boolean }): void {
    const stream = this.#stream;
    this.#waits = wait;
    if (wait) stream.once('wantTrailers', () => this.#guarded(() => this.#sendTrailers()));
    if (!endStream) stream.on('drain', () => this.#guarded(() => this.#onRoom()));
    // The head has one already; Node's types do not know the option.
    const options = { endStream, waitForTrailers: wait, sendDate: false };
    stream.respond(head, options);
  }

  #sendTrailers(): void {
    if (this.#gone) return;
    this.#stream.sendTrailers(groupedFields(this.#trailers));
    // Node has them go out in the next turn.
    setImmediate(() => this.#owner.sent());
  }

  #write(bytes: Buffer): void {
    this.#flush();
    if (this.#gone || this.#stream.writableEnded) return;
    if (!this.#stream.write(bytes)) this.#full = true;
    this.#owner.moved();
  }

  #guarded(step: () => void): void {
    try {
      step();
    } catch (cause) {
      this.#owner.fault(cause);
    }
  }

  #onRoom(): void {
    this.#full = false;
    this.#owner.moved();
    if (!this.#over) this.#resume();
  }
}

function headOf(status: number, fields: Fields, date: string): string[] {
  const head = [':status', String(status)];
  let isDated = false;
  for (let i = 0; i < fields.length; i += 2) {
    const name = (fields[i] as string).toLowerCase();
    isDated ||= name === 'date';
    if (name !== CONNECTION_SPECIFIC) head.push(name, fields[i + 1] as string);
  }
  if (!isDated) head.push('date', date);
  return head;
}

/** The fields are ours or have been through `createAnswerPassing`: a length among them is one number. */
function lengthOf(fields: Fields): number {
  const at = fields.findIndex((text, i) => i % 2 === 0 && text.length === 14 && text.toLowerCase() === 'content-length');
  return at === -1 ? Number.POSITIVE_INFINITY : Number(fields[at + 1]);
}

/** RFC 9110 §8.6: neither a 1xx nor a 204 has one; that of a 205 would be 0. */
function withoutLength(fields: Fields): Fields {
  return fields.filter((_text, index) => (fields[index - (index % 2)] as string).toLowerCase() !== 'content-length');
}
