/** Leaves a store in trouble alone, finds out in the background when it works again, and tells both once. */

import type { Clock } from '../../clock.ts';
import { reasonOf } from './commands.ts';

/** Milliseconds between two probes: doubling, with jitter. With the pauses between connections, sharing is back within ten seconds. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 4_000;

export interface BreakerParts {
  readonly clock: Clock;
  /** Resolves when the store does for this name all that is asked of it, writing too. */
  readonly probe: (name: string) => Promise<void>;
  readonly onLost: (reason: string) => void;
  readonly onRecovered: () => void;
}

/** No request ever waits to find out whether the store works: only the probe does. */
export class StoreBreaker {
  readonly #parts: BreakerParts;
  /** The name that failed: in a cluster, another may still work. */
  #lostAt: string | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #cancelProbe = () => {};
  #probing = false;
  #closed = false;

  constructor(parts: BreakerParts) {
    this.#parts = parts;
  }

  get lost(): boolean {
    return this.#lostAt !== undefined;
  }

  /** What the command gives, or `undefined` when it fails or the store is being left alone. */
  async run<T>(name: string, command: () => Promise<T>): Promise<T | undefined> {
    if (this.lost || this.#closed) return undefined;
    try {
      return await command();
    } catch (error) {
      this.#lose(name, error);
      return undefined;
    }
  }

  /** There is a reason to believe that the lost store is back: a new connection. */
  hurry(): void {
    // A fleet that is connected again at the same moment need not probe at the same moment.
    this.#probeAfter(this.#parts.clock.random() * FIRST_PAUSE_MS);
  }

  close(): void {
    this.#closed = true;
    this.#cancelProbe();
  }

  #lose(name: string, error: unknown): void {
    if (this.lost || this.#closed) return;
    this.#lostAt = name;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#parts.onLost(reasonOf(error));
    this.#probeLater();
  }

  #probeLater(): void {
    this.#probeAfter(this.#pauseMs * (0.75 + this.#parts.clock.random() / 2));
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  #probeAfter(delayMs: number): void {
    this.#cancelProbe();
    this.#cancelProbe = this.#parts.clock.after(delayMs, () => void this.#probe());
  }

  async #probe(): Promise<void> {
    if (this.#lostAt === undefined || this.#probing) return;
    this.#probing = true;
    const works = await this.#parts.probe(this.#lostAt).then(
      () => true,
      () => false,
    );
    this.#probing = false;
    if (this.#closed) return;
    if (!works) return this.#probeLater();
    this.#lostAt = undefined;
    this.#cancelProbe();
    this.#parts.onRecovered();
  }
}
