/** Stops asking a server that keeps failing, and lets one probe find out when it is back. */

import type { Clock } from '../clock.ts';
import { AuthorizationServerError, toAuthorizationServerError } from './failure.ts';

const FAILURES_TO_OPEN = 5;
const FIRST_PAUSE_MS = 5_000;
const LONGEST_PAUSE_MS = 60_000;
/** While the probe is on its way, others are told to come back after this long. */
const PROBE_WAIT_MS = 1_000;

/** `half-open`: the next request is the probe, or a probe is on its way. */
export interface BreakerStatus {
  readonly state: 'closed' | 'open' | 'half-open';
  /** Milliseconds that it stays open; 0 where it is not. */
  readonly openForMs: number;
}

/** The reason of a failure where nothing was sent. */
export const BREAKER_OPEN = 'breaker_open';

/** Counts transient failures only: a server that refuses is a server that works. */
export class Breaker {
  readonly #clock: Clock;
  #failures = 0;
  /** The last of them. */
  #cause: AuthorizationServerError | undefined;
  #pauseMs = FIRST_PAUSE_MS;
  #closedAgainAt = 0;
  #probing = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `action`, or rejects with a transient failure that says how long the breaker stays open. */
  async run<T>(action: () => Promise<T>): Promise<T> {
    const open = this.#failures >= FAILURES_TO_OPEN;
    if (open) this.#admitProbe();
    try {
      const result = await action();
      this.#recover();
      return result;
    } catch (error) {
      const failure = toAuthorizationServerError(error);
      if (failure.failureClass === 'transient') this.#countFailure(failure, open);
      else this.#recover();
      throw failure;
    } finally {
      if (open) this.#probing = false;
    }
  }

  /** Somebody wants to know at once whether the server is back: the next request is the probe. */
  letProbe(): void {
    this.#closedAgainAt = this.#clock.monotonic();
  }

  status(): BreakerStatus {
    if (this.#failures < FAILURES_TO_OPEN) return { state: 'closed', openForMs: 0 };
    const openForMs = Math.max(0, this.#closedAgainAt - this.#clock.monotonic());
    return { state: openForMs > 0 ? 'open' : 'half-open', openForMs };
  }

  #admitProbe(): void {
    const leftMs = this.#closedAgainAt - this.#clock.monotonic();
    if (leftMs > 0 || this.#probing) {
      throw new AuthorizationServerError('transient', BREAKER_OPEN, {
        retryAfterMs: Math.max(leftMs, PROBE_WAIT_MS),
        cause: this.#cause,
      });
    }
    this.#probing = true;
  }

  #countFailure(failure: AuthorizationServerError, wasProbe: boolean): void {
    this.#cause = failure;
    this.#failures += 1;
    if (this.#failures < FAILURES_TO_OPEN) return;
    if (wasProbe) this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
    this.#closedAgainAt = this.#clock.monotonic() + this.#pauseMs;
  }

  #recover(): void {
    this.#cause = undefined;
    this.#failures = 0;
    this.#pauseMs = FIRST_PAUSE_MS;
  }
}
