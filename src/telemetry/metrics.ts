/** What is counted, in Prometheus' terms; label values come from the config only, so the number of series is bounded. */

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { Count } from './count.ts';
import { RequestTally } from './request-tally.ts';

const PREFIX = 'token_broker_';

/** Of a try to obtain a token; with an open breaker nothing was sent. */
export const OUTCOMES = ['granted', 'transient', 'permanent', 'nonsense', 'breaker_open'] as const;

/** As many are open as may be; TLS was not agreed on. */
export const REFUSED = ['full', 'handshake'] as const;

/** Names of a config, by its sections. */
export type Names = Readonly<Record<'listeners' | 'routes' | 'tokens', readonly string[]>>;

export class Metrics {
  readonly #registry = new Registry();

  readonly requests = new RequestTally(this.#registry, PREFIX);
  readonly grants = new Counter({
    name: `${PREFIX}grants_total`,
    help: `Tries to obtain a token, by outcome: ${OUTCOMES.join(', ')}.`,
    labelNames: ['token', 'outcome'] as const,
    registers: [this.#registry],
  });
  readonly grantSeconds = new Histogram({
    name: `${PREFIX}grant_duration_seconds`,
    help: 'How long a successful grant took, tries included.',
    labelNames: ['token'] as const,
    buckets: [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
    registers: [this.#registry],
  });
  readonly sharedTokens = new Counter({
    name: `${PREFIX}shared_tokens_total`,
    help: 'Tokens taken over from the store instead of a grant.',
    labelNames: ['token'] as const,
    registers: [this.#registry],
  });
  readonly refusedConnections = new Counter({
    name: `${PREFIX}connections_refused_total`,
    help: `Connections of callers that came to nothing, by reason: ${REFUSED.join(', ')}.`,
    labelNames: ['listener', 'reason'] as const,
    registers: [this.#registry],
  });
  readonly storeUnreadable = new Counter({
    name: `${PREFIX}store_unreadable_total`,
    help: 'Entries of the store that could not be used.',
    registers: [this.#registry],
  });
  readonly reloadFailures = new Count(
    this.#registry,
    `${PREFIX}file_reload_failures_total`,
    'Changed files (certificates, secrets) that could not be used; the old ones stay.',
  );
  readonly faults = new Count(
    this.#registry,
    `${PREFIX}faults_total`,
    'What nobody foresaw, where no request could be answered for it: its connection was closed, or a timer went without effect.',
  );

  readonly droppedSpans = new Counter({
    name: `${PREFIX}spans_dropped_total`,
    help: 'Spans of traces that were not exported.',
    registers: [this.#registry],
  });

  /** @param droppedLogLines how many lines of the log nobody has taken */
  constructor(droppedLogLines = () => 0) {
    collectDefaultMetrics({ register: this.#registry });
    const dropped = new Counter({
      name: `${PREFIX}log_lines_dropped_total`,
      help: 'Lines of the log that nobody took.',
      registers: [this.#registry],
      collect: () => {
        dropped.reset();
        dropped.inc(droppedLogLines());
      },
    });
  }

  /** A gauge whose values are read at each scrape, from whoever has said last how. @param label none where there is one value */
  observe(name: string, help: string, label: string | undefined, read: () => Iterable<readonly [label: string, value: number]>): void {
    this.#registry.removeSingleMetric(PREFIX + name);
    const gauge: Gauge<string> = new Gauge({
      name: PREFIX + name,
      help,
      labelNames: label === undefined ? [] : [label],
      registers: [this.#registry],
      collect: () => {
        gauge.reset();
        for (const [value, number] of read()) gauge.set(label === undefined ? {} : { [label]: value }, number);
      },
    });
  }

  /** What was counted under names that no config has any more: they may be others after each change of the config, for ever. */
  forget({ listeners, routes, tokens }: Names): void {
    this.requests.forget(listeners, routes);
    for (const listener of listeners) for (const reason of REFUSED) this.refusedConnections.remove({ listener, reason });
    for (const token of tokens) {
      for (const outcome of OUTCOMES) this.grants.remove({ token, outcome });
      this.grantSeconds.remove({ token });
      this.sharedTokens.remove({ token });
    }
  }

  async render(): Promise<{ contentType: string; text: string }> {
    return { contentType: this.#registry.contentType, text: await this.#registry.metrics() };
  }

  /** prom-client watches the garbage collector for ever, and what it watches with knows every metric: each whole broker would stay. */
  close(): void {
    this.#registry.clear();
  }
}
