/** The HTTP/2 connections to one upstream: few, each for many requests; what fits on none waits in line. */

import type { RouteConfig } from '../../config/schema/routes.ts';
import type { BrokerError } from '../../errors.ts';
import { Deadlines } from '../../wire/deadlines.ts';
import type { ConnectionCounts, UpstreamAnswer, UpstreamConnections, UpstreamFlow, UpstreamRequest } from '../connections.ts';
import { Dialer, type Way } from '../dial.ts';
import { connectTimeout, overloaded } from '../failure.ts';
import { Http2Flow, type StreamOwner } from './flow.ts';
import { Http2Session, type SessionOwner } from './session.ts';

export class Http2Pool implements UpstreamConnections, SessionOwner, StreamOwner {
  readonly timeouts: RouteConfig['timeouts'];
  readonly idleMs: number;
  readonly #origin: string;
  readonly #route: Pick<RouteConfig, 'pool' | 'maxConnectionAge'>;
  readonly #dialer: Dialer;
  readonly #deadlines: Deadlines;
  readonly #sessions = new Set<Http2Session>();
  readonly #queue = new Set<Http2Flow>();
  #closed = false;

  /** @param origin scheme, host and port of the upstream */
  constructor(origin: string, route: Pick<RouteConfig, 'timeouts' | 'pool' | 'maxConnectionAge'> & Way) {
    const { timeouts, pool } = route;
    this.timeouts = timeouts;
    this.idleMs = pool.idleTimeout;
    this.#origin = origin;
    this.#route = route;
    // New connections are of a changed identity; what runs on old ones is finished there.
    this.#dialer = new Dialer(origin, route, () => this.#retireAll(), 'h2');
    this.#deadlines = new Deadlines(Math.min(timeouts.connect, timeouts.response, timeouts.idle, pool.idleTimeout));
  }

  counts(): ConnectionCounts {
    const idle = [...this.#sessions].filter((session) => session.idle).length;
    return { open: this.#sessions.size, idle, queued: this.#queue.size };
  }

  send(request: UpstreamRequest, answer: UpstreamAnswer): UpstreamFlow {
    const flow = new Http2Flow(request, answer, this);
    this.#deadlines.add(flow);
    const session = this.#sessionFor(request.fresh);
    if (session !== undefined) session.carry(flow);
    else if (this.#queue.size >= this.#route.pool.maxQueue) flow.refuse(overloaded(), true);
    else this.#enqueue(flow);
    return flow;
  }

  roomIn(): void {
    for (const flow of this.#queue) {
      const session = this.#sessionFor(flow.request.fresh);
      if (session === undefined) break;
      this.#queue.delete(flow);
      session.carry(flow);
    }
    this.#connectIfNeeded();
  }

  over(flow: Http2Flow): void {
    this.#queue.delete(flow);
    this.#deadlines.delete(flow);
  }

  closed(session: Http2Session, cause: unknown): void {
    this.#sessions.delete(session);
    this.#deadlines.delete(session);
    if (cause !== undefined && this.#sessions.size === 0) for (const flow of this.#queue) flow.refuse(cause, true);
    this.#connectIfNeeded();
  }

  /** Of a request in line, which has waited as long as connecting may take. */
  late(): BrokerError {
    return [...this.#sessions].some(({ connecting }) => !connecting) ? overloaded() : connectTimeout();
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#dialer.close();
    for (const flow of this.#queue) flow.refuse(new Error('given up'), true);
    for (const session of this.#sessions) session.cut();
  }

  #enqueue(flow: Http2Flow): void {
    flow.deadlineAt = performance.now() + this.timeouts.connect;
    if (flow.request.fresh) this.#makeRoomForFresh();
    this.#queue.add(flow);
    this.#connectIfNeeded();
  }

  /** The next requests go where this one goes: kept connections would be one for each time that an upstream refuses a stream. */
  #makeRoomForFresh(): void {
    for (const session of this.#sessions) if (session.idle) session.retire();
    const [oldest] = this.#sessions;
    if (this.#sessions.size >= this.#route.pool.maxConnections && oldest?.connecting === false) oldest.retire();
  }

  #sessionFor(fresh: boolean): Http2Session | undefined {
    const oldestAt = performance.now() - this.#route.maxConnectionAge;
    for (const session of this.#sessions) {
      if (session.openedAt < oldestAt) session.retire();
      else if (session.takesMore && (session.fresh || !fresh)) return session;
    }
    return undefined;
  }

  /** One at a time: how much it takes is known once it is open. */
  #connectIfNeeded(): void {
    if (this.#closed || this.#queue.size === 0 || this.#sessions.size >= this.#route.pool.maxConnections) return;
    if ([...this.#sessions].some(({ connecting }) => connecting)) return;
    try {
      const session = new Http2Session(this.#dialer, this, this.#origin);
      this.#sessions.add(session);
      this.#deadlines.add(session);
    } catch (error) {
      for (const flow of this.#queue) flow.refuse(error, true);
    }
  }

  #retireAll(): void {
    for (const session of this.#sessions) session.retire();
  }
}
