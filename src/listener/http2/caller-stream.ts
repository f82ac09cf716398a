/** One request on a stream of an HTTP/2 connection, and the answer to it (RFC 9113 §8). */

import { constants, type ServerHttp2Stream } from 'node:http2';
import { type BrokerError, toBrokerError } from '../../errors.ts';
import type { Fields, Peer } from '../../message.ts';
import type { Timed } from '../../wire/deadlines.ts';
import type { Resets } from '../../wire/http2-quirks.ts';
import { HttpRequest } from '../caller-request.ts';
import type { ConnectionHost } from '../connection-host.ts';
import { bodyEndedEarly, bodyStopped } from '../refusal.ts';
import type { CheckedHead, RequestHead } from '../request-head.ts';
import { readHead } from './head.ts';
import { type BodyOwner, StreamBody } from './stream-body.ts';
import { type ReplyOwner, StreamReply } from './stream-reply.ts';

const VERSION = '2.0';
const NO_HEAD: RequestHead = { method: '', target: '', version: '1.1', fields: [] };

export class CallerStream implements Timed, BodyOwner, ReplyOwner {
  deadlineAt = Number.POSITIVE_INFINITY;
  readonly #stream: ServerHttp2Stream;
  readonly #host: ConnectionHost;
  readonly #resets: Resets;
  #request: HttpRequest | undefined;
  #body: StreamBody | undefined;
  #reply: StreamReply | undefined;
  #awaitsContinue = false;
  #closed = false;

  /** @param onClosed runs when nothing of it is left; `givenUp`: before it had been answered */
  constructor(stream: ServerHttp2Stream, host: ConnectionHost, resets: Resets, onClosed: (stream: CallerStream, givenUp: boolean) => void) {
    this.#stream = stream;
    this.#host = host;
    this.#resets = resets;
    stream
      .on('error', () => undefined)
      .on('aborted', () => {
        this.#guarded(() => this.#leave());
        this.#readPast();
      })
      .on('close', () => {
        const givenUp = this.#reply?.over !== true;
        this.#guarded(() => this.#leave());
        onClosed(this, givenUp);
      });
  }

  /** @param ended the head is all of the request */
  begin(raw: Fields, ended: boolean, peer: Peer): void {
    let head = NO_HEAD;
    let checked: CheckedHead;
    try {
      head = readHead(raw);
      checked = this.#host.check(head);
      if (ended && checked.length !== undefined && checked.length > 0) throw bodyEndedEarly();
    } catch (error) {
      return this.#refuse(toBrokerError(error, 'listener'), head);
    }
    const { target, authority, length, host, awaitsContinue } = checked;
    const { method, fields } = head;
    const { id, listener } = this.#host.identify(head);
    const body = ended ? undefined : new StreamBody(this.#stream, length, this);
    const upgrade = undefined;
    this.#body = body;
    this.#awaitsContinue = awaitsContinue;
    this.#request = new HttpRequest({ id, listener, version: VERSION, method, target, host, authority, fields, body, upgrade, peer });
    this.#reply = new StreamReply(this.#stream, method, awaitsContinue, this);
    this.#host.handle(this.#request, this.#reply);
  }

  date(): string {
    return this.#host.date();
  }

  wanted(): void {
    const stream = this.#stream;
    if (this.#awaitsContinue && this.#reply?.started === false && !stream.closed && !stream.destroyed) {
      stream.additionalHeaders({ ':status': constants.HTTP_STATUS_CONTINUE });
    }
    this.moved();
  }

  /** Only while the next move is the caller's does its time run. */
  moved(): void {
    const waits = this.#reply?.full === true || this.#body?.awaited === true || (this.#reply?.over === true && !this.#closed);
    this.deadlineAt = waits ? performance.now() + this.#host.limits.idleTimeout : Number.POSITIVE_INFINITY;
  }

  replied(): void {
    this.#body?.discard();
    this.moved();
  }

  /** What the answer did not wait for is not taken any more (RFC 9113 §8.1). */
  sent(): void {
    if (this.#body !== undefined && !this.#body.whole) this.reset(constants.NGHTTP2_NO_ERROR);
    else this.#readPast();
  }

  onDeadline(): void {
    this.#guarded(() => {
      if (this.#body?.awaited === true && this.#reply?.full !== true) this.#body.fail(bodyStopped());
      else this.cut();
    });
  }

  /** Nobody foresaw it: this stream ends, and no other. */
  fault(cause: unknown): void {
    this.#host.fault(cause);
    this.cut();
  }

  #guarded(step: () => void): void {
    try {
      step();
    } catch (cause) {
      this.fault(cause);
    }
  }

  /** Ends it, whatever of the answer has gone out. */
  cut(): void {
    this.#leave();
    this.reset(constants.NGHTTP2_CANCEL);
  }

  /** What becomes of it now is not the caller's doing. */
  sendAway(): void {
    if (this.#request !== undefined) this.#request.sentAway = true;
  }

  reset(code: number): void {
    this.#resets.add(this.#stream, code);
  }

  /** A stream is closed only when it has been read. */
  #readPast(): void {
    if (!this.#stream.destroyed) this.#stream.resume();
  }

  #refuse(error: BrokerError, head: RequestHead): void {
    const reply = new StreamReply(this.#stream, head.method, false, this);
    this.#reply = reply;
    this.#host.refuse(error, { ...head, version: VERSION, ...this.#host.identify(head) }, reply);
  }

  /** The caller has gone, or its stream has been cut. */
  #leave(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.deadlineAt = Number.POSITIVE_INFINITY;
    if (this.#reply?.over !== true) this.#request?.abandon();
    this.#body?.fail(bodyEndedEarly());
  }
}
