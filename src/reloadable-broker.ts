/** A broker whose config may change while it serves: the next one is built whole, takes over in one step, and the one before is drained. */

import { Broker } from './broker.ts';
import { type Clock, systemClock } from './clock.ts';
import type { LoadedConfig } from './config/load.ts';
import { ConfigError, type ConfigProblem, formatProblem } from './config/problem.ts';
import type { Watch } from './config/watch.ts';
import { BrokerError } from './errors.ts';
import { Entrances } from './listener/entrances.ts';
import { type Beginning, beginning } from './operation/status/broker-status.ts';
import type { Log } from './telemetry/log.ts';
import { Metrics, type Names } from './telemetry/metrics.ts';

export interface ReloadableParts {
  readonly log: Log;
  readonly clock?: Clock;
  /** Reads the config as it is now. Rejects with a `ConfigError`. */
  readonly load: () => Promise<LoadedConfig>;
  /** Before a broker is started: what else its config asks for. Rejects where that cannot be had, else resolves to what brings back how it was. */
  readonly prepare?: (loaded: LoadedConfig) => Promise<() => Promise<void>>;
  /** A broker has taken over, whatever becomes of this. Never rejects. */
  readonly onStarted?: (loaded: LoadedConfig, broker: Broker) => Promise<void>;
  /** How many lines of the log nobody has taken. */
  readonly droppedLogLines?: () => number;
  /** The admin address was told to end the process. */
  readonly quit: () => void;
}

/** What a config names may come later than the config: a secret in Kubernetes, an address that is being freed. Milliseconds. */
const FIRST_RETRY_MS = 2_000;
const LONGEST_RETRY_MS = 60_000;

/** Each keeps what it serves for its whole grace, which may be hours; of more, the oldest is cut. */
const MOST_EARLIER = 50;

interface Running {
  readonly broker: Broker;
  readonly config: LoadedConfig['config'];
  readonly watch: Watch;
}

export class ReloadableBroker {
  readonly #parts: ReloadableParts;
  readonly #clock: Clock;
  readonly #metrics: Metrics;
  readonly #entrances = new Entrances();
  readonly #began: Beginning;
  /** The oldest first; each with the number of requests that were cut. */
  readonly #retiring = new Map<Broker, Promise<number>>();
  #running: Running | undefined;
  /** One at a time. */
  #turn: Promise<unknown> = Promise.resolve();
  /** Not begun yet, so that it takes what has changed until then. */
  #waiting: Promise<readonly string[]> | undefined;
  /** Of a changed config that could not be taken over. */
  #cancelRetry = () => {};
  #stopping = false;

  constructor(parts: ReloadableParts) {
    this.#parts = parts;
    this.#clock = parts.clock ?? systemClock;
    this.#began = beginning(this.#clock);
    this.#metrics = new Metrics(parts.droppedLogLines);
  }

  /** Rejects when something cannot be started. */
  async start(loaded: LoadedConfig): Promise<void> {
    await this.#inTurn(() => this.#follow(loaded));
  }

  /**
   * Takes the changed config over, or leaves everything as it is; resolves to what is wrong with it. What is asked for while another one waits is one
   * with it. What fails is tried again by itself, in silence while it fails for the same reasons. Never rejects.
   */
  reload(): Promise<readonly string[]> {
    if (this.#stopping) return Promise.resolve(['the broker is stopping']);
    this.#waiting ??= this.#inTurn(() => {
      this.#waiting = undefined;
      return this.#reload();
    });
    return this.#waiting;
  }

  /** Stops accepting, finishes what is in flight within the grace; resolves to the number of requests that were cut. */
  async drain(): Promise<number> {
    this.#stopping = true;
    await this.#turn;
    this.#running?.watch.stop();
    const { delay = 0, grace = 0 } = this.#running?.config.shutdown ?? {};
    const cancel = this.#clock.after(delay + grace, () => this.#cutAllBut(0));
    const cuts = await Promise.all([this.#running?.broker.drain() ?? 0, ...this.#retiring.values()]);
    cancel();
    this.#metrics.close();
    return cuts.reduce((sum, cut) => sum + cut, 0);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }

  async #reload(said?: string, retryMs = FIRST_RETRY_MS): Promise<readonly string[]> {
    this.#cancelRetry();
    if (this.#stopping) return [];
    try {
      await this.#follow(await this.#parts.load());
      return [];
    } catch (error) {
      const problems = problemsOf(error);
      const says = problems.join('\n');
      if (says !== said) this.#tell(problems, error);
      const again = () => void this.#inTurn(() => this.#reload(says, Math.min(2 * retryMs, LONGEST_RETRY_MS)));
      this.#cancelRetry = this.#clock.after(retryMs, again);
      return problems;
    }
  }

  #tell(problems: readonly string[], err: unknown): void {
    const { log } = this.#parts;
    this.#running?.broker.unusableFiles.add('config');
    for (const at of problems) log.error({ at }, 'config problem');
    log.error({ err }, 'the changed config cannot be used: the old one stays');
  }

  async #follow(loaded: LoadedConfig): Promise<void> {
    const { log, prepare, onStarted, quit } = this.#parts;
    const before = this.#running;
    for (const warning of loaded.warnings) log.warn({ at: formatProblem(warning) }, 'config warning');
    const bringBack = await prepare?.(loaded);
    const control = { reload: () => this.reload(), quit };
    const earlierConfigs = () => this.#retiring.size;
    const broker = new Broker({
      config: loaded.config,
      log,
      clock: this.#clock,
      shared: { entrances: this.#entrances, metrics: this.#metrics, began: this.#began, earlierConfigs, control },
    });
    try {
      await broker.start(before?.broker);
    } catch (error) {
      await bringBack?.();
      throw error;
    }
    log.level = loaded.config.log.level;
    this.#running = { broker, config: loaded.config, watch: this.#watch(loaded, broker) };
    if (before !== undefined) this.#retire(before);
    await onStarted?.(loaded, broker);
  }

  #watch(loaded: LoadedConfig, broker: Broker): Watch {
    return loaded.watch({
      onFilled: (key) => broker.unusableFiles.remove(key),
      onProblem: (problem: ConfigProblem, otherKeys) => {
        broker.unusableFiles.add(problem.path, otherKeys);
        this.#parts.log.error({ at: formatProblem(problem) }, 'a changed file cannot be used: the old content stays');
      },
      onConfigChange: () => void this.reload(),
    });
  }

  #retire({ broker, config, watch }: Running): void {
    watch.stop();
    const { log } = this.#parts;
    log.info('config reloaded');
    const retiring = broker.retire().then((cut) => {
      this.#retiring.delete(broker);
      if (this.#running !== undefined) this.#metrics.forget(namesGone(config, this.#running.config));
      log.info({ cut }, 'drained what the old config served');
      return cut;
    });
    this.#retiring.set(broker, retiring);
    this.#cutAllBut(MOST_EARLIER);
  }

  /** What earlier configs serve still, but for the last of them. */
  #cutAllBut(last: number): void {
    const earlier = [...this.#retiring.keys()];
    for (const broker of earlier.slice(0, Math.max(0, earlier.length - last))) broker.cut();
  }
}

function namesGone(before: LoadedConfig['config'], now: LoadedConfig['config']): Names {
  const gone = (section: keyof Names) => Object.keys(before[section]).filter((name) => !Object.hasOwn(now[section], name));
  return { listeners: gone('listeners'), routes: gone('routes'), tokens: gone('tokens') };
}

function problemsOf(error: unknown): string[] {
  if (error instanceof ConfigError) return error.problems.map(formatProblem);
  return [error instanceof BrokerError ? error.message : 'something failed on the way; the log says where'];
}
