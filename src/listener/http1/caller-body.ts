/** The body of a request: nothing of it is read from the connection before somebody wants it. */

import { type BrokerError, toBrokerError } from '../../errors.ts';
import type { Body, BodySink, Fields } from '../../message.ts';
import { BodyReader } from '../../wire/body-reader.ts';
import { WireError } from '../../wire/wire-error.ts';
import { refusalOf } from '../refusal.ts';

/** What a body needs of its connection. */
export interface BodySource {
  /** The body is wanted from now on: read it. */
  readBody(): void;
  pauseReading(): void;
  resumeReading(): void;
  /** What has come is no body, so the request cannot become whole. */
  failBody(error: BrokerError): void;
  /** The same bytes, to be looked at until reading goes on. */
  lasting(bytes: Buffer): Buffer;
}

export class CallerBody implements Body {
  readonly length: number | undefined;
  readonly #source: BodySource;
  readonly #reader: BodyReader;
  #sink: BodySink | undefined;
  #broken: Error | undefined;
  #state: 'waiting' | 'read' | 'discarded' | 'over' = 'waiting';
  paused = false;

  constructor(length: number | undefined, source: BodySource) {
    this.length = length;
    this.#source = source;
    this.#reader = new BodyReader(length ?? 'chunked', (bytes) => this.#sink?.chunk(source.lasting(bytes)));
  }

  /** Somebody reads it, or reads past it. */
  get flowing(): boolean {
    return this.#state === 'read' || this.#state === 'discarded';
  }

  get discarded(): boolean {
    return this.#state === 'discarded';
  }

  /** All of it has been read, or no more of it will be. */
  get over(): boolean {
    return this.#state === 'over';
  }

  pipe(sink: BodySink): void {
    if (this.#broken !== undefined) return sink.fail(this.#broken);
    if (this.#state !== 'waiting') return;
    this.#sink = sink;
    this.#state = 'read';
    this.#source.readBody();
  }

  pause(): void {
    if (this.#state !== 'read') return;
    this.paused = true;
    this.#source.pauseReading();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    // Also behind its end: reading on is how a caller that goes away is noticed.
    this.#source.resumeReading();
  }

  /** What is still to come is read past, so that the caller, who is still sending, can hear the answer (RFC 9112 §9.6). */
  discard(): void {
    if (this.over) return;
    this.#state = 'discarded';
    this.#sink = undefined;
    this.paused = false;
    this.#source.readBody();
  }

  /** Takes what belongs to the body; gives the index of the first byte behind it. What is malformed fails it. */
  take(bytes: Buffer, from: number): number {
    try {
      const at = this.#reader.read(bytes, from);
      if (this.#reader.done && !this.over) this.#end(this.#reader.trailers);
      return at;
    } catch (error) {
      this.#source.failBody(error instanceof WireError ? refusalOf(error) : toBrokerError(error, 'listener'));
      return bytes.length;
    }
  }

  #end(trailers: Fields): void {
    this.#state = 'over';
    this.#sink?.end(trailers);
  }

  /** The body is broken: whoever reads it must not take it for complete. */
  fail(cause: Error): void {
    if (this.over) return;
    this.#state = 'over';
    if (this.#sink === undefined) this.#broken = cause;
    else this.#sink.fail(cause);
  }
}
