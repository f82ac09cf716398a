/**
 * Counts and times requests for the registry. prom-client's own counter and histogram hash their labels at each call, which measured a
 * fiftieth of the CPU time of a proxied request.
 */

import type { Metric, Registry } from 'prom-client';

export interface CountedRequest {
  readonly listener: string;
  /** `""` where none was found. */
  readonly route: string;
  /** 0 where nothing was answered. */
  readonly status: number;
  /** Our own error code; `""` where the upstream answered, and did not break off. */
  readonly code: string;
}

/** Upper ends in seconds. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

interface Count {
  readonly labels: CountedRequest;
  value: number;
}

interface Durations {
  /** How many ended in each bucket, and behind the last. */
  readonly counts: number[];
  sum: number;
}

interface Sample {
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
  readonly metricName?: string;
}

export class RequestTally {
  /** Requests being handled. */
  inFlight = 0;
  /** By listener, route, code and status. */
  readonly #counts = new Map<string, Map<string, Map<string, Map<number, Count>>>>();
  readonly #durations = new Map<string, Durations>();

  constructor(registry: Registry, prefix: string) {
    register(registry, 'counter', {
      name: `${prefix}requests_total`,
      help: 'Requests answered, by listener, route, status and our own error code ("" when the upstream answered).',
      read: () => this.#countSamples(),
    });
    const name = `${prefix}request_duration_seconds`;
    const help = 'From the head of a request to the last byte of its answer.';
    register(registry, 'histogram', { name, help, read: () => this.#durationSamples(name) });
    const inFlight = () => [{ labels: {}, value: this.inFlight }];
    register(registry, 'gauge', { name: `${prefix}requests_in_flight`, help: 'Requests being handled.', read: inFlight });
  }

  add(request: CountedRequest, seconds: number): void {
    this.#countOf(request).value += 1;
    const durations = entryOf(this.#durations, request.route, createDurations);
    let bucket = 0;
    while (bucket < BUCKETS.length && seconds > (BUCKETS[bucket] as number)) bucket += 1;
    (durations.counts[bucket] as number) += 1;
    durations.sum += seconds;
  }

  forget(listeners: readonly string[], routes: readonly string[]): void {
    for (const listener of listeners) this.#counts.delete(listener);
    for (const route of routes) {
      for (const byRoute of this.#counts.values()) byRoute.delete(route);
      this.#durations.delete(route);
    }
  }

  #countOf({ listener, route, status, code }: CountedRequest): Count {
    const byRoute = entryOf(this.#counts, listener, () => new Map());
    const byCode = entryOf(byRoute, route, () => new Map());
    const byStatus = entryOf(byCode, code, () => new Map());
    const known = byStatus.get(status);
    if (known !== undefined) return known;
    const count: Count = { labels: { listener, route, status, code }, value: 0 };
    byStatus.set(status, count);
    return count;
  }

  *#countSamples(): Iterable<Sample> {
    for (const byRoute of this.#counts.values())
      for (const byCode of byRoute.values())
        for (const byStatus of byCode.values()) for (const { labels, value } of byStatus.values()) yield { labels: { ...labels }, value };
  }

  *#durationSamples(name: string): Iterable<Sample> {
    for (const [route, { counts, sum }] of this.#durations) {
      let count = 0;
      for (const [bucket, le] of [...BUCKETS, '+Inf'].entries()) {
        count += counts[bucket] as number;
        yield { labels: { le, route }, value: count, metricName: `${name}_bucket` };
      }
      yield { labels: { route }, value: sum, metricName: `${name}_sum` };
      yield { labels: { route }, value: count, metricName: `${name}_count` };
    }
  }
}

interface Shown {
  readonly name: string;
  readonly help: string;
  readonly read: () => Iterable<Sample>;
}

/** The registry asks a metric for no more than this. */
function register(registry: Registry, type: string, { name, help, read }: Shown): void {
  const metric = { name, help, get: async () => ({ name, help, type, values: [...read()] }) };
  registry.registerMetric(metric as unknown as Metric);
}

function entryOf<Key, Value>(map: Map<Key, Value>, key: Key, create: () => Value): Value {
  let value = map.get(key);
  if (value === undefined) {
    value = create();
    map.set(key, value);
  }
  return value;
}

function createDurations(): Durations {
  return { counts: Array.from({ length: BUCKETS.length + 1 }, () => 0), sum: 0 };
}
