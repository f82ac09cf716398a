/** One request as a stream of an HTTP/2 connection, and the answer to it (RFC 9113 §8). */

import { type ClientHttp2Stream, constants } from 'node:http2';
import type { RouteConfig } from '../../config/schema/routes.ts';
import { BrokerError } from '../../errors.ts';
import type { Body, BodySink, Fields } from '../../message.ts';
import type { Timed } from '../../wire/deadlines.ts';
import { groupedFields } from '../../wire/grouped-fields.ts';
import type { Resets } from '../../wire/http2-quirks.ts';
import { hasNoBody } from '../../wire/response-head.ts';
import { WireError } from '../../wire/wire-error.ts';
import { MAX_INTERIM_ANSWERS, type UpstreamAnswer, type UpstreamFlow, type UpstreamRequest } from '../connections.ts';
import { toUpstreamError } from '../failure.ts';
import { requestTrailers } from '../fields.ts';
import { announcedLength, fieldsOf, headOf, statusOf } from './head.ts';

/** What carries a flow, or will. */
export interface StreamOwner {
  readonly timeouts: RouteConfig['timeouts'];
  /** The flow has ended, failed or been given up. */
  over(flow: Http2Flow): void;
  /** The flow's time is over: what the caller is told. */
  late(): BrokerError;
}

export class Http2Flow implements UpstreamFlow, BodySink, Timed {
  deadlineAt = Number.POSITIVE_INFINITY;
  readonly request: UpstreamRequest;
  readonly #answer: UpstreamAnswer;
  #owner: StreamOwner;
  #stream: ClientHttp2Stream | undefined;
  #resets: Resets | undefined;
  #paused = false;
  #over = false;
  /** The request is with the upstream, as far as anybody can tell. */
  #sent = false;
  #trailersToSend: Fields = [];
  #interims = 0;
  #hasHead = false;
  #trailers: Fields = [];
  /** Bytes of the answer that are still to come; infinite where nothing was announced. */
  #left = Number.POSITIVE_INFINITY;
  /** The upstream has said that the answer is whole. */
  #whole = false;

  constructor(request: UpstreamRequest, answer: UpstreamAnswer, owner: StreamOwner) {
    this.request = request;
    this.#answer = answer;
    this.#owner = owner;
  }

  /** Sends it as a stream that `open` begins with the head. */
  start(owner: StreamOwner, scheme: string, resets: Resets, open: (head: readonly string[]) => ClientHttp2Stream): void {
    const { body } = this.request;
    this.#owner = owner;
    this.#resets = resets;
    let stream: ClientHttp2Stream;
    try {
      stream = open(headOf(this.request, scheme));
    } catch (error) {
      // The connection has just been lost.
      return this.refuse(error, true);
    }
    this.#stream = stream;
    this.#listen(stream);
    if (this.#paused) stream.pause();
    this.#sent = body === undefined;
    if (body !== undefined) this.#send(stream, body);
    this.#progressed();
  }

  pause(): void {
    this.#paused = true;
    this.deadlineAt = Number.POSITIVE_INFINITY;
    this.#stream?.pause();
  }

  resume(): void {
    if (!this.#paused || this.#over) return;
    this.#paused = false;
    this.deadlineAt = performance.now() + this.#owner.timeouts.idle;
    this.#stream?.resume();
  }

  abort(): void {
    if (this.#finish()) this.#reset(constants.NGHTTP2_CANCEL);
  }

  chunk(bytes: Uint8Array): void {
    const stream = this.#stream;
    if (this.#over || stream === undefined || stream.writableEnded || stream.destroyed) return;
    // The bytes are lent, and a stream keeps them until its window opens.
    if (!stream.write(Buffer.from(bytes))) this.request.body?.pause();
    this.#progressed();
  }

  end(trailers: Fields): void {
    this.#sent = true;
    this.#trailersToSend = requestTrailers(trailers, this.request.fields);
    this.#stream?.end();
    this.#progressed();
  }

  /** The caller's body broke off: the upstream must not take it for whole. */
  fail(cause: Error): void {
    const error =
      cause instanceof BrokerError ? cause : new BrokerError('INTERNAL', 'the body could not be sent', { stage: 'upstream', cause });
    this.refuse(error, false);
  }

  onDeadline(): void {
    this.refuse(this.#owner.late(), this.#stream === undefined);
  }

  /** Gives it up, and says why. */
  refuse(error: unknown, nothingSent: boolean): void {
    if (!this.#finish()) return;
    this.#reset(constants.NGHTTP2_CANCEL);
    this.#answer.fail(toUpstreamError(error), nothingSent);
  }

  #send(stream: ClientHttp2Stream, body: Body): void {
    stream.on('drain', () => {
      body.resume();
      this.#progressed();
    });
    stream.once('wantTrailers', () => {
      if (!stream.closed && !stream.destroyed) stream.sendTrailers(groupedFields(this.#trailersToSend));
    });
    body.pipe(this);
  }

  /** The upstream's time begins when it has what it needs to answer. */
  #progressed(): void {
    if (this.#hasHead || this.#over) return;
    const waitsForBody = !this.#sent && this.#stream?.writableNeedDrain !== true;
    this.deadlineAt = waitsForBody ? Number.POSITIVE_INFINITY : performance.now() + this.#owner.timeouts.response;
  }

  #listen(stream: ClientHttp2Stream): void {
    const guarded =
      <Heard extends unknown[]>(hear: (...heard: Heard) => void) =>
      (...heard: Heard) => {
        if (this.#over) return;
        try {
          hear(...heard);
        } catch (error) {
          this.refuse(error, false);
        }
      };
    stream
      .on(
        'headers',
        guarded((_headers, _flags, raw: string[] = []) => this.#onInterim(raw)),
      )
      .on(
        'response',
        guarded((_headers, flags: number, raw: string[] = []) => this.#onHead(raw, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0)),
      )
      .on(
        'data',
        guarded((bytes: Buffer) => this.#onData(bytes)),
      )
      .on(
        'trailers',
        guarded((_headers, _flags, raw: string[] = []) => {
          this.#trailers = fieldsOf(raw);
        }),
      )
      .on(
        'end',
        guarded(() => this.#onEnd()),
      )
      .on('error', (error) => this.refuse(error, stream.rstCode === constants.NGHTTP2_REFUSED_STREAM))
      .on('close', () => this.refuse(new Error('closed'), stream.rstCode === constants.NGHTTP2_REFUSED_STREAM));
    this.#watchForEnd(stream);
  }

  /** Node ends a stream that was reset without an error as if it were whole; only then it is closed before its end is pushed. */
  #watchForEnd(stream: ClientHttp2Stream): void {
    const push = stream.push.bind(stream);
    stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
      if (chunk === null && !stream.closed) this.#whole = true;
      return push(chunk, encoding);
    };
  }

  #onInterim(raw: readonly string[]): void {
    const status = statusOf(raw);
    this.#interims += 1;
    if (status === 101 || this.#interims > MAX_INTERIM_ANSWERS)
      throw new WireError('malformed', 'the upstream sent too many interim answers');
    this.#answer.interim(status, fieldsOf(raw));
  }

  #onHead(raw: readonly string[], isAll: boolean): void {
    const status = statusOf(raw);
    const fields = fieldsOf(raw);
    if (status < 200) throw new WireError('malformed', 'the final answer has the status of an interim one');
    this.#hasHead = true;
    this.#left = hasNoBody(this.request.method, status) ? 0 : announcedLength(fields);
    this.deadlineAt = performance.now() + this.#owner.timeouts.idle;
    this.#answer.head(status, '', fields);
    // Said at once, a head that is the whole answer can be passed on as such: gRPC tells errors by that.
    if (isAll && !this.#over) this.#onEnd();
  }

  #onData(bytes: Buffer): void {
    this.#left -= bytes.length;
    if (this.#left < 0) throw new WireError('malformed', 'the answer is longer than announced');
    this.deadlineAt = performance.now() + this.#owner.timeouts.idle;
    this.#answer.chunk(bytes);
    if (this.#paused) this.deadlineAt = Number.POSITIVE_INFINITY;
  }

  #onEnd(): void {
    const isShort = this.#left > 0 && this.#left !== Number.POSITIVE_INFINITY;
    if (!this.#hasHead || !this.#whole || isShort) throw new Error('cut short');
    if (this.#finish()) this.#answer.end(this.#trailers);
    // What the upstream did not wait for is not sent (RFC 9113 §8.1).
    if (!this.#sent) this.#reset(constants.NGHTTP2_NO_ERROR);
  }

  #reset(code: number): void {
    if (this.#stream?.destroyed === false) this.#resets?.add(this.#stream, code);
  }

  /** Whether this was the first of its ends. */
  #finish(): boolean {
    if (this.#over) return false;
    this.#over = true;
    this.deadlineAt = Number.POSITIVE_INFINITY;
    if (!this.#sent) this.request.body?.discard();
    this.#owner.over(this);
    return true;
  }
}
