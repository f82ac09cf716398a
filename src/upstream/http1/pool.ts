/** The connections to one upstream that are kept for the next request, and the line of requests in front of them. */

import type { RouteConfig } from '../../config/schema/routes.ts';
import { BodyMemory } from '../../wire/body-memory.ts';
import { Deadlines, type Timed } from '../../wire/deadlines.ts';
import { WriteMemory } from '../../wire/write-memory.ts';
import type { ConnectionCounts, UpstreamAnswer, UpstreamConnections, UpstreamFlow, UpstreamRequest } from '../connections.ts';
import { Dialer, type Way } from '../dial.ts';
import { overloaded, toUpstreamError } from '../failure.ts';
import { type ConnectionOwner, Http1Connection } from './connection.ts';
import { type Carrier, Http1Flow } from './flow.ts';
import { IdleStack } from './idle-stack.ts';

export type PoolRoute = Pick<RouteConfig, 'timeouts' | 'pool' | 'maxConnectionAge'> & Way;

export class Http1Pool implements UpstreamConnections, ConnectionOwner {
  readonly timeouts: RouteConfig['timeouts'];
  readonly idleMs: number;
  readonly bodyMemory: BodyMemory;
  readonly writeMemory = new WriteMemory();
  readonly #route: PoolRoute;
  readonly #dialer: Dialer;
  readonly #deadlines: Deadlines;
  readonly #open = new Set<Http1Connection>();
  readonly #idle = new IdleStack<Http1Connection>();
  readonly #queue = new Set<Waiting>();
  /** `performance.now()`; connections from before have an identity that has changed. */
  #renewedAt = 0;
  #closed = false;

  /** @param origin scheme, host and port of the upstream */
  constructor(origin: string, route: PoolRoute) {
    const { timeouts, pool } = route;
    this.timeouts = timeouts;
    this.idleMs = pool.idleTimeout;
    this.bodyMemory = new BodyMemory(this.#open);
    this.#route = route;
    this.#dialer = new Dialer(origin, route, () => this.#renew());
    this.#deadlines = new Deadlines(Math.min(timeouts.connect, timeouts.response, timeouts.idle, pool.idleTimeout));
  }

  counts(): ConnectionCounts {
    return { open: this.#open.size, idle: this.#idle.size, queued: this.#queue.size };
  }

  send(request: UpstreamRequest, answer: UpstreamAnswer): UpstreamFlow {
    const flow = new Http1Flow(request, answer);
    const connection = request.fresh ? undefined : this.#takeIdle();
    if (request.fresh && this.#open.size >= this.#route.pool.maxConnections) this.#idle.oldest?.close();
    if (connection !== undefined) connection.carry(flow);
    else if (this.#open.size < this.#route.pool.maxConnections) this.#connect(flow);
    else this.#enqueue(flow);
    return flow;
  }

  released(connection: Http1Connection): void {
    const [waiting] = this.#queue;
    if (this.#isOutdated(connection) || waiting?.flow.request.fresh) return connection.close();
    const next = this.#takeWaiting();
    if (next === undefined) this.#idle.push(connection);
    else connection.carry(next);
  }

  closed(connection: Http1Connection): void {
    this.#open.delete(connection);
    this.#deadlines.delete(connection);
    this.#idle.delete(connection);
    if (this.#closed) return;
    while (this.#queue.size > 0 && this.#open.size < this.#route.pool.maxConnections) this.#connect(this.#takeWaiting() as Http1Flow);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#dialer.close();
    for (const connection of this.#open) connection.cut();
    for (const waiting of this.#queue) waiting.onDeadline();
  }

  #connect(flow: Http1Flow): void {
    try {
      const connection = new Http1Connection(this.#dialer, this, flow);
      this.#open.add(connection);
      this.#deadlines.add(connection);
    } catch (error) {
      flow.fail(toUpstreamError(error), true);
    }
  }

  #takeIdle(): Http1Connection | undefined {
    for (let found = this.#idle.pop(); found !== undefined; found = this.#idle.pop()) {
      if (!this.#isOutdated(found)) return found;
      found.close();
    }
    return undefined;
  }

  #isOutdated({ openedAt }: Http1Connection): boolean {
    return this.#closed || openedAt < this.#renewedAt || this.#deadlines.lastLookAt - openedAt > this.#route.maxConnectionAge;
  }

  #enqueue(flow: Http1Flow): void {
    if (this.#queue.size >= this.#route.pool.maxQueue) return flow.fail(overloaded(), true);
    const waiting = new Waiting(flow, performance.now() + this.timeouts.connect, () => {
      this.#queue.delete(waiting);
      this.#deadlines.delete(waiting);
    });
    this.#queue.add(waiting);
    this.#deadlines.add(waiting);
  }

  #takeWaiting(): Http1Flow | undefined {
    const [waiting] = this.#queue;
    waiting?.leave();
    return waiting?.flow;
  }

  /** New connections are of the changed identity; what runs on old ones is finished there. */
  #renew(): void {
    this.#renewedAt = performance.now();
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) idle.close();
  }
}

/** A request in line; it waits no longer than connecting may take. */
class Waiting implements Timed, Carrier {
  readonly flow: Http1Flow;
  readonly leave: () => void;
  deadlineAt: number;

  constructor(flow: Http1Flow, deadlineAt: number, leave: () => void) {
    this.flow = flow;
    this.deadlineAt = deadlineAt;
    this.leave = leave;
    flow.carrier = this;
  }

  onDeadline(): void {
    this.leave();
    this.flow.fail(overloaded(), true);
  }

  drop(): void {
    this.leave();
  }

  pauseReading(): void {}

  resumeReading(): void {}
}
