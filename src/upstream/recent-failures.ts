/** How often an upstream failed lately, and how the last time. */

import type { Clock } from '../clock.ts';
import type { ErrorCode } from '../errors.ts';

const MINUTE_MS = 60_000;
const MINUTES = 5;

export interface FailureFacts {
  /** Within the last five minutes, give or take one. */
  readonly recent: number;
  readonly last: { readonly code: ErrorCode; readonly at: number } | undefined;
}

export class RecentFailures {
  readonly #clock: Clock;
  /** By minutes of the monotonic clock. */
  readonly #counts = new Map<number, number>();
  #last: FailureFacts['last'];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  add(code: ErrorCode): void {
    const minute = this.#forgetOld();
    this.#counts.set(minute, (this.#counts.get(minute) ?? 0) + 1);
    this.#last = { code, at: this.#clock.now() };
  }

  facts(): FailureFacts {
    this.#forgetOld();
    return { recent: [...this.#counts.values()].reduce((sum, count) => sum + count, 0), last: this.#last };
  }

  /** The minute that it is now. */
  #forgetOld(): number {
    const now = Math.floor(this.#clock.monotonic() / MINUTE_MS);
    for (const minute of this.#counts.keys()) if (minute <= now - MINUTES) this.#counts.delete(minute);
    return now;
  }
}
