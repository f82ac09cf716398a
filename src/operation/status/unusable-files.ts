/** Files of the config that changed into something that cannot be used, until they can be again. */

import type { UnusableFile } from '../../admin/status.ts';
import type { Clock } from '../../clock.ts';

export class UnusableFiles {
  readonly #clock: Clock;
  readonly #onAdded: () => void;
  /** Wall clock, by the key of the config. */
  readonly #since = new Map<string, number>();

  constructor(clock: Clock, onAdded: () => void) {
    this.#clock = clock;
    this.#onAdded = onAdded;
  }

  /** @param key as in `listeners.local.tls` */
  add(key: string): void {
    this.#since.set(key, this.#clock.now());
    this.#onAdded();
  }

  /** What was wrong with it, if anything was, is so no more. */
  remove(key: string): void {
    this.#since.delete(key);
  }

  status(): UnusableFile[] {
    return [...this.#since].map(([key, at]) => ({ key, at: new Date(at).toISOString() }));
  }
}
