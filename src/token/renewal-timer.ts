/** The moment at which a token is renewed: one at a time, set anew with each token and each failure. */

import type { Clock } from '../clock.ts';

export class RenewalTimer {
  readonly #clock: Clock;
  readonly #onDue: () => void;
  #stop: (() => void) | undefined;
  /** Monotonic, whole milliseconds: a broken number is an object of its own, for each token. */
  #dueAt = 0;

  constructor(clock: Clock, onDue: () => void) {
    this.#clock = clock;
    this.#onDue = onDue;
  }

  /** Milliseconds; `undefined` while none is set. */
  get dueInMs(): number | undefined {
    return this.#stop && Math.max(0, this.#dueAt - this.#clock.monotonic());
  }

  set(afterMs: number): void {
    this.cancel();
    this.#dueAt = Math.round(this.#clock.monotonic() + afterMs);
    this.#stop = this.#clock.after(afterMs, () => {
      this.#stop = undefined;
      this.#onDue();
    });
  }

  cancel(): void {
    this.#stop?.();
    this.#stop = undefined;
  }
}
