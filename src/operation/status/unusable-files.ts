/** Files of the config that changed into something that cannot be used, until they can be again. */

import type { UnusableFile } from '../../admin/status.ts';
import type { Clock } from '../../clock.ts';

export class UnusableFiles {
  readonly #clock: Clock;
  readonly #onAdded: () => void;
  /** By the key of the config. */
  readonly #files = new Map<string, UnusableFile>();

  constructor(clock: Clock, onAdded: () => void) {
    this.#clock = clock;
    this.#onAdded = onAdded;
  }

  /** @param key as in `listeners.local.tls` @param otherKeys that name the same file */
  add(key: string, otherKeys: readonly string[] = []): void {
    for (const other of otherKeys) this.#files.delete(other);
    this.#files.set(key, { key, otherKeys, at: new Date(this.#clock.now()).toISOString() });
    this.#onAdded();
  }

  /** What was wrong with it, if anything was, is so no more. */
  remove(key: string): void {
    this.#files.delete(key);
  }

  status(): UnusableFile[] {
    return [...this.#files.values()];
  }
}
