/** Sends one request: its head, its body in a framing stated anew, as fast as the upstream takes it. */

import { derive } from '../../derive.ts';
import type { Body, BodySink, Fields } from '../../message.ts';
import { BodyWriter } from '../../wire/body-writer.ts';
import { fieldLinesText } from '../../wire/field-lines.ts';
import type { Outlet } from '../../wire/outlet.ts';
import type { UpstreamRequest } from '../connections.ts';
import { requestTrailers } from '../fields.ts';

/** Methods whose request without a body says so (RFC 9110 §8.6). */
const EXPECT_BODY = new Set(['POST', 'PUT', 'PATCH']);

export interface SenderEvents {
  /** Something was sent, or the last of it. */
  progressed(): void;
  /** The body broke off, or was not as long as announced. */
  broken(cause: Error): void;
}

export class RequestSender implements BodySink {
  readonly #request: UpstreamRequest;
  readonly #outlet: Outlet;
  readonly #events: SenderEvents;
  #body: Body | undefined;
  #writer: BodyWriter | undefined;
  #over: boolean;
  #stopped = false;

  constructor(request: UpstreamRequest, outlet: Outlet, events: SenderEvents) {
    this.#request = request;
    this.#outlet = outlet;
    this.#events = events;
    this.#body = request.body;
    this.#over = request.body === undefined;
    this.#writer = request.body && new BodyWriter(outlet, request.body.length ?? 'chunked');
  }

  /** The whole request is with the upstream, as far as anybody can tell. */
  get done(): boolean {
    return this.#over && !this.#stopped;
  }

  /** The next move is the caller's. */
  get waitsForBody(): boolean {
    return !this.#over && !this.#outlet.full;
  }

  start(): void {
    const { method, target, fields, body } = this.#request;
    let head = `${method} ${target} HTTP/1.1\r\n`;
    for (const section of fields) head += derive(section, fieldLinesText);
    if (body === undefined) return this.#outlet.text(EXPECT_BODY.has(method) ? `${head}content-length: 0\r\n\r\n` : `${head}\r\n`);
    this.#outlet.hold(`${head}${body.length === undefined ? 'transfer-encoding: chunked' : `content-length: ${body.length}`}\r\n\r\n`);
    body.pipe(this);
  }

  /** From now on `bytes` are sent as they are: the request has been answered by a change of the protocol. */
  tunnel(bytes: Body): void {
    this.#body = bytes;
    this.#writer = new BodyWriter(this.#outlet, 'close');
    this.#over = false;
    bytes.pipe(this);
  }

  chunk(bytes: Uint8Array): void {
    if (this.#over) return;
    if (this.#writer?.chunk(bytes) === false) return this.fail(new Error('the body is longer than announced'));
    if (this.#outlet.full) this.#body?.pause();
    this.#events.progressed();
  }

  end(trailers: Fields): void {
    if (this.#over) return;
    if (this.#writer?.end(requestTrailers(trailers, this.#request.fields)) === false)
      return this.fail(new Error('the body is shorter than announced'));
    this.#over = true;
    this.#events.progressed();
  }

  fail(cause: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopped = true;
    this.#events.broken(cause);
  }

  /** The upstream takes bytes again. */
  onRoom(): void {
    this.#body?.resume();
    if (!this.#over) this.#events.progressed();
  }

  /** Nobody wants the rest of the body. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#stopped = true;
    this.#body?.discard();
  }
}
