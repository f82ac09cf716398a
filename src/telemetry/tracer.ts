/** Decides what is traced, and under which ids (W3C Trace Context): a caller's trace goes on, else one is begun. */

import type { Clock } from '../clock.ts';
import { createRandomIds } from './random-ids.ts';
import type { Span } from './span.ts';

/** The part of a trace that happens here. */
export interface SpanContext {
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string | undefined;
  readonly sampled: boolean;
}

const SAMPLED = 1;

export class Tracer {
  readonly #sampleRatio: number;
  readonly #clock: Clock;
  readonly #add: (span: Span) => void;
  readonly #traceId = createRandomIds('x'.repeat(32));
  readonly #spanId = createRandomIds('x'.repeat(16));
  readonly #running = new WeakMap<object, SpanContext>();

  constructor(sampleRatio: number, clock: Clock, add: (span: Span) => void) {
    this.#sampleRatio = sampleRatio;
    this.#clock = clock;
    this.#add = add;
  }

  /** @param what this is the span of; @param received as `receivedTraceparent` gives it */
  begin(what: object, received: string): SpanContext {
    const [, traceId, parentSpanId, flags = '00'] = received.split('-');
    const sampled = traceId === undefined ? this.#clock.random() < this.#sampleRatio : (Number.parseInt(flags, 16) & SAMPLED) !== 0;
    const context = { traceId: traceId ?? this.#traceId(), spanId: this.#spanId(), parentSpanId, sampled };
    this.#running.set(what, context);
    return context;
  }

  /** What goes on to the next; `undefined` where no span was begun. */
  traceparent(what: object): string | undefined {
    const context = this.#running.get(what);
    return context && `00-${context.traceId}-${context.spanId}-${context.sampled ? '01' : '00'}`;
  }

  /** @param ms how long it took, until now */
  end(what: object, ms: number, facts: Pick<Span, 'kind' | 'name' | 'attributes' | 'failed'>): void {
    const context = this.#running.get(what);
    if (context?.sampled !== true) return;
    const { traceId, spanId, parentSpanId } = context;
    const endedAt = this.#clock.now();
    this.#add({ traceId, spanId, parentSpanId, startedAt: endedAt - ms, endedAt, ...facts });
  }
}
