/** The body of a request on a stream: nothing of it is passed on before somebody wants it, and what nobody reads keeps its window shut. */

import { constants, type ServerHttp2Stream } from 'node:http2';
import type { Body, BodySink, Fields } from '../../message.ts';
import { bodyEndedEarly } from '../refusal.ts';
import { readTrailers } from './head.ts';

/** What a body needs of its stream's owner. */
export interface BodyOwner {
  /** The body is wanted from now on. */
  wanted(): void;
  /** Some of it has come; or it waits for whoever reads it, or nothing more is awaited. */
  moved(): void;
}

export class StreamBody implements Body {
  readonly length: number | undefined;
  readonly #stream: ServerHttp2Stream;
  readonly #owner: BodyOwner;
  #left: number;
  #sink: BodySink | undefined;
  #trailers: Fields = [];
  #broken: unknown;
  #state: 'waiting' | 'read' | 'discarded' | 'over' = 'waiting';
  #paused = false;

  constructor(stream: ServerHttp2Stream, length: number | undefined, owner: BodyOwner) {
    this.length = length;
    this.#left = length ?? Number.POSITIVE_INFINITY;
    this.#stream = stream;
    this.#owner = owner;
    stream.on('trailers', (_trailers, _flags, raw: string[]) => this.#guarded(() => this.#takeTrailers(raw)));
  }

  /** The next move is the caller's. */
  get awaited(): boolean {
    return this.#state === 'read' && !this.#paused;
  }

  /** The caller has ended its stream, whoever may have read it. */
  get whole(): boolean {
    const { closed, state } = this.#stream;
    return !closed && state.state === constants.NGHTTP2_STREAM_STATE_HALF_CLOSED_REMOTE;
  }

  pipe(sink: BodySink): void {
    if (this.#state === 'over') return sink.fail(this.#broken as Error);
    if (this.#state !== 'waiting') return;
    this.#sink = sink;
    this.#state = 'read';
    this.#owner.wanted();
    this.#stream.on('data', (bytes: Buffer) => this.#guarded(() => this.#take(bytes))).on('end', () => this.#guarded(() => this.#end()));
    if (this.#paused) this.#stream.pause();
  }

  pause(): void {
    this.#paused = true;
    if (this.#state !== 'read') return;
    this.#stream.pause();
    this.#owner.moved();
  }

  resume(): void {
    this.#paused = false;
    if (this.#state !== 'read') return;
    this.#stream.resume();
    this.#owner.moved();
  }

  /** The stream is reset once its answer is out (RFC 9113 §8.1); until then its window holds the caller back. */
  discard(): void {
    if (this.#state === 'over') return;
    this.#state = 'discarded';
    this.#sink = undefined;
    this.#owner.moved();
  }

  /** The body is broken: whoever reads it must not take it for complete. */
  fail(cause: unknown): void {
    if (this.#state === 'over') return;
    const sink = this.#sink;
    this.#state = 'over';
    this.#broken = cause;
    this.#sink = undefined;
    sink?.fail(cause as Error);
  }

  #take(bytes: Buffer): void {
    if (this.#state !== 'read') return;
    this.#left -= bytes.length;
    if (this.#left < 0) throw bodyEndedEarly(new Error('the body is longer than announced'));
    this.#sink?.chunk(bytes);
    this.#owner.moved();
  }

  #takeTrailers(raw: Fields): void {
    this.#trailers = readTrailers(raw);
  }

  #end(): void {
    if (this.#state !== 'read') return;
    const isShort = this.#left > 0 && this.#left !== Number.POSITIVE_INFINITY;
    // Node ends a stream that was reset without an error as if it were whole; but then it is closed.
    if (this.#stream.closed || isShort) throw bodyEndedEarly();
    this.#state = 'over';
    this.#sink?.end(this.#trailers);
    this.#owner.moved();
  }

  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.fail(error);
    }
  }
}
