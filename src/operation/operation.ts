/** What those who run a broker see of it and can have done, in one: made before what it watches, and told of that afterwards. */

import type { Control } from '../admin/actions.ts';
import type { BrokerStatus } from '../admin/status.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema/root.ts';
import type { HttpListener } from '../listener/http-listener.ts';
import type { Exit } from '../stages/exit.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Tokens, TokensOptions } from '../token/tokens.ts';
import { type AdminEntrance, adminEntrances } from './admin-entrances.ts';
import { Certificates } from './certificates.ts';
import { observeState } from './observed-state.ts';
import { reportGrants, reportStore, reportTokens } from './reporting.ts';
import { type Beginning, beginning, createStatus } from './status/broker-status.ts';
import { StoreHealth } from './status/store-health.ts';
import { UnusableFiles } from './status/unusable-files.ts';
import { tokenActions } from './token-actions.ts';
import { Tracing } from './tracing.ts';

export interface OperationParts {
  readonly config: Config;
  readonly log: Log;
  readonly clock: Clock;
  readonly metrics: Metrics;
  /** Absent where the process has one broker alone. */
  readonly shared?: SharedOperation | undefined;
}

/** Of the process, whatever configs it has had. */
export interface SharedOperation {
  readonly began: Beginning;
  /** How many brokers of before have requests in flight still. */
  readonly earlierConfigs: () => number;
  /** What the admin address can have done to the process. */
  readonly control: Control;
}

/** The broker, as far as it is watched. */
export interface Watched {
  readonly tokens: Tokens;
  readonly listeners: readonly HttpListener[];
  readonly exits: ReadonlyMap<string, Exit>;
  readonly addresses: () => ReadonlyMap<string, string>;
  readonly phase: () => BrokerStatus['phase'];
  /** Every eager token has been tried. */
  readonly warm: () => boolean;
}

export class Operation {
  readonly tracing: Tracing | undefined;
  /** Counted here, told to the log by whoever watches the files. */
  readonly unusableFiles: UnusableFiles;
  readonly #parts: OperationParts;
  readonly #store: StoreHealth;
  readonly #certificates: Certificates;

  constructor(parts: OperationParts) {
    const { config, log, clock, metrics } = parts;
    this.#parts = parts;
    this.tracing = config.telemetry && new Tracing({ config: config.telemetry, clock, log, metrics });
    this.unusableFiles = new UnusableFiles(clock, () => metrics.reloadFailures.inc());
    this.#store = new StoreHealth(config.store, clock);
    this.#certificates = new Certificates(config, clock, log);
  }

  tokenObservers(): Pick<TokensOptions, 'observer' | 'storeObserver' | 'grantObserver'> {
    const { log, metrics } = this.#parts;
    const observer = reportTokens(log, metrics);
    return {
      observer: this.tracing?.observing(observer) ?? observer,
      storeObserver: this.#store.observe(reportStore(log, metrics)),
      grantObserver: reportGrants(log),
    };
  }

  /** Where the broker is asked about itself; not bound yet. */
  entrances(watched: Watched): AdminEntrance[] {
    const { config, log, clock, metrics, shared } = this.#parts;
    const { tokens, phase, warm } = watched;
    const status = createStatus({
      ...watched,
      config,
      clock,
      began: shared?.began ?? beginning(clock),
      store: this.#store,
      unusableFiles: this.unusableFiles,
      certificates: this.#certificates,
      counts: () => this.#counts(),
    });
    const notReady = () => {
      if (phase() !== 'running') return phase();
      return config.readiness === 'tokens' && !warm() ? 'waiting for the eager tokens' : undefined;
    };
    return adminEntrances(config, tokenActions({ config, tokens, log, control: shared?.control }), {
      notReady,
      status: () => status(phase(), notReady()),
      metrics: () => metrics.render(),
    });
  }

  /** From now on the metrics are those of this broker. */
  observe({ tokens, listeners }: Pick<Watched, 'tokens' | 'listeners'>): void {
    const { unusableFiles } = this;
    observeState(this.#parts.metrics, { tokens, listeners, store: this.#store, unusableFiles, certificates: this.#certificates });
  }

  async close(): Promise<void> {
    this.#certificates.close();
    await this.tracing?.close();
  }

  #counts() {
    const { requests, faults, reloadFailures } = this.#parts.metrics;
    return {
      requestsInFlight: requests.inFlight,
      faults: faults.value,
      reloadFailures: reloadFailures.value,
      earlierConfigs: this.#parts.shared?.earlierConfigs() ?? 0,
    };
  }
}
