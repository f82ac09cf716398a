/** Connections to the upstreams that tokens name: one pool for each origin, dropped when nobody has used it for a while. */

import type { Clock } from '../clock.ts';
import { BrokerError } from '../errors.ts';
import type { ConnectionCounts, UpstreamAnswer, UpstreamConnections, UpstreamFlow, UpstreamRequest } from './connections.ts';

/** A token has one origin at a time; more than a few are a server that names a new one with each answer. */
export const MOST_ORIGINS = 32;
const UNUSED_MS = 60_000;

export class OriginConnections {
  readonly #open: (origin: string) => UpstreamConnections;
  readonly #clock: Clock;
  /** The one asked for last stands last. */
  readonly #pools = new Map<string, CountedConnections>();

  /** @param open makes the connections to an origin */
  constructor(open: (origin: string) => UpstreamConnections, clock: Clock) {
    this.#open = open;
    this.#clock = clock;
  }

  get size(): number {
    return this.#pools.size;
  }

  /** Of all origins together. */
  counts(): ConnectionCounts {
    return sumOf([...this.#pools.values()].map((pool) => pool.counts()));
  }

  /** For one request, to be sent at once. Throws `BROKER_OVERLOADED` where too many other origins are in use. */
  to(origin: string): UpstreamConnections {
    const pool = this.#pools.get(origin) ?? this.#create(origin);
    this.#pools.delete(origin);
    this.#pools.set(origin, pool);
    return pool;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#pools.keys()].map((origin) => this.#drop(origin)));
  }

  #create(origin: string): CountedConnections {
    if (this.#pools.size >= MOST_ORIGINS) {
      const unused = [...this.#pools].find(([, pool]) => !pool.inUse)?.[0];
      if (unused === undefined) throw overloaded();
      void this.#drop(unused);
    }
    return new CountedConnections(this.#open(origin), () => this.#clock.after(UNUSED_MS, () => void this.#drop(origin)));
  }

  async #drop(origin: string): Promise<void> {
    const pool = this.#pools.get(origin);
    this.#pools.delete(origin);
    await pool?.close();
  }
}

/** Knows whether anything runs on it. */
class CountedConnections implements UpstreamConnections {
  readonly #connections: UpstreamConnections;
  readonly #whenUnused: () => () => void;
  #cancel: () => void;
  #running = 0;

  /** @param whenUnused is told each time nothing runs any more; its result takes that back */
  constructor(connections: UpstreamConnections, whenUnused: () => () => void) {
    this.#connections = connections;
    this.#whenUnused = whenUnused;
    this.#cancel = whenUnused();
  }

  get inUse(): boolean {
    return this.#running > 0;
  }

  counts(): ConnectionCounts {
    return this.#connections.counts();
  }

  send(request: UpstreamRequest, answer: UpstreamAnswer): UpstreamFlow {
    const done = this.#begin();
    const flow = this.#connections.send(request, {
      interim: (status, fields) => answer.interim(status, fields),
      head: (status, reason, fields) => answer.head(status, reason, fields),
      chunk: (bytes) => answer.chunk(bytes),
      end: (trailers) => {
        done();
        answer.end(trailers);
      },
      fail: (error, nothingSent) => {
        done();
        answer.fail(error, nothingSent);
      },
    });
    return {
      pause: () => flow.pause(),
      resume: () => flow.resume(),
      abort: () => {
        done();
        flow.abort();
      },
    };
  }

  close(): Promise<void> {
    this.#cancel();
    return this.#connections.close();
  }

  #begin(): () => void {
    this.#running += 1;
    this.#cancel();
    let running = true;
    return () => {
      if (!running) return;
      running = false;
      this.#running -= 1;
      if (this.#running === 0) this.#cancel = this.#whenUnused();
    };
  }
}

export function sumOf(counts: readonly ConnectionCounts[]): ConnectionCounts {
  const sum = (of: (each: ConnectionCounts) => number) => counts.reduce((total, each) => total + of(each), 0);
  return { open: sum(({ open }) => open), idle: sum(({ idle }) => idle), queued: sum(({ queued }) => queued) };
}

function overloaded(): BrokerError {
  return new BrokerError('BROKER_OVERLOADED', 'too many upstreams are in use at the same time; try again later', {
    stage: 'upstream',
    retryAfterSeconds: 1,
  });
}
