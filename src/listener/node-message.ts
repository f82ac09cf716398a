/** Node's request and response behind the interfaces of `message.ts`: the first engine towards callers. */

import type { IncomingMessage, ServerResponse } from 'node:http';
import { BrokerError } from '../errors.ts';
import type { Body, BodySink, CallerRequest, Fields, Peer, Reply, ReplySink } from '../message.ts';

/** How much of an unwanted body is read, and for how long, before the connection is dropped. */
const LINGER_BYTES = 32 * 1024 ** 2;
const LINGER_MS = 5_000;

/** A request's body: nothing is read from the socket before `pipe`. */
export class NodeBody implements Body {
  readonly length: number | undefined;
  readonly #incoming: IncomingMessage;
  readonly #begin: () => void;
  #sink: BodySink | undefined;
  #over = false;
  /** It broke before anybody read it. */
  #broken: Error | undefined;
  readonly #idleMs: number;
  #stall: NodeJS.Timeout | undefined;

  /**
   * @param idleMs a caller that sends nothing for this long while it is being read is given up
   * @param begin runs before the first byte is asked for: the place for `100 Continue`
   */
  constructor(incoming: IncomingMessage, length: number | undefined, idleMs: number, begin: () => void) {
    this.#idleMs = idleMs;
    this.#incoming = incoming;
    this.length = length;
    this.#begin = begin;
  }

  /** Nothing more will come: it ended, broke, or nobody wants it. */
  get complete(): boolean {
    return this.#over;
  }

  pipe(sink: BodySink): void {
    if (this.#broken !== undefined) return sink.fail(this.#broken);
    this.#sink = sink;
    this.#begin();
    this.#watch();
    this.#incoming
      .on('data', (bytes: Buffer) => {
        this.#stall?.refresh();
        if (!this.#over) sink.chunk(bytes);
      })
      .on('end', () => this.#finish(() => sink.end([])))
      .on('error', (cause) => this.fail(endedEarly(cause)))
      .on('close', () => this.fail(endedEarly()));
  }

  /** The body is broken: whoever reads it must not take it for complete. */
  fail(cause: Error): void {
    this.#finish(() => {
      if (this.#sink === undefined) this.#broken = cause;
      else this.#sink.fail(cause);
    });
  }

  pause(): void {
    clearTimeout(this.#stall);
    this.#incoming.pause();
  }

  resume(): void {
    this.#watch();
    this.#incoming.resume();
  }

  /**
   * A caller that is still sending would find its connection reset, and never see the answer, if nobody read on: so the rest is read for a
   * while, then the connection is dropped (RFC 9112 §9.6).
   */
  discard(): void {
    this.#over = true;
    clearTimeout(this.#stall);
    const { socket } = this.#incoming;
    let leftBytes = LINGER_BYTES;
    const giveUp = setTimeout(() => !this.#incoming.complete && socket.destroy(), LINGER_MS).unref();
    this.#incoming
      .on('data', (bytes: Buffer) => {
        leftBytes -= bytes.length;
        if (leftBytes < 0) socket.destroy();
      })
      .on('close', () => clearTimeout(giveUp))
      .resume();
  }

  #finish(last: () => void): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#stall);
    last();
  }

  #watch(): void {
    clearTimeout(this.#stall);
    if (this.#over) return;
    const message = 'the request body stopped arriving';
    this.#stall = setTimeout(
      () => this.fail(new BrokerError('REQUEST_TIMEOUT', message, { stage: 'listener', close: true })),
      this.#idleMs,
    );
  }
}

function endedEarly(cause?: Error): BrokerError {
  return new BrokerError('REQUEST_INVALID', 'the request body ended early', { stage: 'listener', close: true, cause });
}

export type RequestFacts = Pick<CallerRequest, 'id' | 'listener' | 'host' | 'peer'> & { readonly body: NodeBody | undefined };

export class NodeRequest implements CallerRequest {
  readonly id: string;
  readonly listener: string;
  readonly method: string;
  readonly target: string;
  readonly host: string;
  readonly fields: Fields;
  readonly body: NodeBody | undefined;
  readonly peer: Peer;
  readonly #outgoing: ServerResponse;

  constructor(incoming: IncomingMessage, outgoing: ServerResponse, facts: RequestFacts) {
    this.id = facts.id;
    this.listener = facts.listener;
    this.method = incoming.method as string;
    this.target = incoming.url as string;
    this.host = facts.host;
    this.fields = incoming.rawHeaders;
    this.body = facts.body;
    this.peer = facts.peer;
    this.#outgoing = outgoing;
  }

  get abandoned(): boolean {
    return this.#outgoing.closed && !this.#outgoing.writableFinished;
  }

  onAbandoned(listener: () => void): void {
    if (this.abandoned) listener();
    else this.#outgoing.once('close', () => !this.#outgoing.writableFinished && listener());
  }
}

export class NodeReply implements Reply, ReplySink {
  readonly #outgoing: ServerResponse;
  readonly #closing: () => boolean;
  readonly #encrypted: boolean;
  #started = false;
  #bodyBegan = false;

  /** @param closing whether the connection must close after this answer */
  constructor(outgoing: ServerResponse, encrypted: boolean, closing: () => boolean) {
    this.#outgoing = outgoing;
    this.#encrypted = encrypted;
    this.#closing = closing;
  }

  get started(): boolean {
    return this.#started;
  }

  get full(): boolean {
    return this.#outgoing.writableNeedDrain;
  }

  interim(): void {}

  start(status: number, reason: string, fields: Fields, resume: () => void): ReplySink {
    this.#started = true;
    const sent = this.#closing() ? [...fields, 'connection', 'close'] : (fields as string[]);
    // A reason phrase is only text; one that Node would refuse is replaced by the standard one.
    if (/^[\x20-\x7e]+$/.test(reason)) this.#outgoing.writeHead(status, reason, sent);
    else this.#outgoing.writeHead(status, sent);
    this.#outgoing.on('drain', resume);
    // A head whose body is still to come must not wait for it; one whose body came with it goes out in the same write.
    queueMicrotask(() => !this.#bodyBegan && this.#outgoing.flushHeaders());
    return this;
  }

  chunk(bytes: Uint8Array): void {
    this.#bodyBegan = true;
    this.#outgoing.write(Buffer.from(bytes));
  }

  end(): void {
    this.#bodyBegan = true;
    this.#outgoing.end();
  }

  /** The connection is torn down, so that what was sent cannot pass for a whole answer (RFC 9112 §8). */
  fail(): void {
    const { socket, chunkedEncoding } = this.#outgoing;
    // A missing last chunk is enough; everywhere else, and above all where the end of the connection ends the body, reset it.
    if (!chunkedEncoding && socket !== null && !this.#encrypted) socket.resetAndDestroy();
    this.#outgoing.destroy();
  }
}
