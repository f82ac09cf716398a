/** Sends a request to its upstream and streams the answer back, both ways with backpressure. */

import { BrokerError } from '../errors.ts';
import type { Body, CallerRequest, Fields, Reply, ReplySink } from '../message.ts';
import type { UpstreamAnswer, UpstreamConnections, UpstreamFlow, UpstreamRequest } from './connections.ts';
import { answerFields } from './fields.ts';

export interface Forwarding {
  readonly connections: UpstreamConnections;
  /** Path and query at the upstream. */
  readonly target: string;
  /** What `outboundFields` made. */
  readonly fields: readonly string[];
  readonly body: Body | undefined;
  readonly rewriteLocation: ((value: string) => string) | undefined;
}

/** How an exchange with an upstream ended, once its head had been passed on. */
export interface Forwarded {
  readonly status: number;
  /** The answer was cut short by the upstream, or the caller left. */
  readonly cut: 'upstream' | 'caller' | undefined;
}

/** Safe methods without a body may be sent again on a fresh connection when a kept one turned out stale (RFC 9110 §9.2.2). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Resolves when the answer has been passed on, whole or cut short. Rejects with a `BrokerError` of stage `upstream` while nothing
 * has been sent to the caller yet.
 */
export async function forward(request: CallerRequest, reply: Reply, forwarding: Forwarding): Promise<Forwarded> {
  const { method } = request;
  const { target, fields, body, connections, rewriteLocation } = forwarding;
  const send = (fresh: boolean) => new Exchange(request, reply, rewriteLocation).run(connections, { method, target, fields, body, fresh });
  try {
    return await send(false);
  } catch (error) {
    const stale = error instanceof BrokerError && error.code === 'UPSTREAM_RESET';
    if (!stale || body !== undefined || !SAFE.has(method) || reply.started || request.abandoned) throw error;
    return send(true);
  }
}

class Exchange implements UpstreamAnswer {
  readonly #request: CallerRequest;
  readonly #reply: Reply;
  readonly #rewriteLocation: ((value: string) => string) | undefined;
  readonly #outcome = Promise.withResolvers<Forwarded>();
  #flow: UpstreamFlow | undefined;
  #sink: ReplySink | undefined;
  #status = 0;

  constructor(request: CallerRequest, reply: Reply, rewriteLocation: ((value: string) => string) | undefined) {
    this.#request = request;
    this.#reply = reply;
    this.#rewriteLocation = rewriteLocation;
  }

  run(connections: UpstreamConnections, request: UpstreamRequest): Promise<Forwarded> {
    this.#flow = connections.send(request, this);
    this.#request.onAbandoned(() => {
      this.#flow?.abort();
      this.#outcome.resolve({ status: this.#status, cut: 'caller' });
    });
    return this.#outcome.promise;
  }

  head(status: number, reason: string, fields: Fields): void {
    if (this.#request.abandoned) return;
    if (status > 599) return this.#refuse();
    this.#status = status;
    this.#sink = this.#reply.start(status, reason, answerFields(fields, this.#rewriteLocation), () => this.#flow?.resume());
  }

  chunk(bytes: Uint8Array): void {
    if (this.#sink === undefined) return;
    this.#sink.chunk(bytes);
    if (this.#sink.full) this.#flow?.pause();
  }

  end(): void {
    this.#sink?.end([]);
    this.#outcome.resolve({ status: this.#status, cut: undefined });
  }

  fail(error: BrokerError): void {
    if (this.#sink === undefined) return this.#outcome.reject(error);
    this.#sink.fail(error);
    this.#outcome.resolve({ status: this.#status, cut: 'upstream' });
  }

  #refuse(): void {
    this.#flow?.abort();
    this.#outcome.reject(
      new BrokerError('UPSTREAM_INVALID_RESPONSE', 'the upstream sent a status that does not exist', { stage: 'upstream' }),
    );
  }
}
