/** One piece of work at a time: whoever comes while it runs shares its result. */

import { type Clock, within } from '../clock.ts';
import { BrokerError } from '../errors.ts';
import { WAIT_MS } from './failure.ts';
import type { Waiter } from './source.ts';

/** More callers than this waiting for one token means that something is wrong already. */
const MAX_WAITING = 1_000;

/** The work belongs to nobody: it goes on when those who wait for it leave or give up. */
export class SingleFlight<T> {
  readonly #clock: Clock;
  #running: Promise<T> | undefined;
  #waiting = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  get waiting(): number {
    return this.#waiting;
  }

  /** Resolves when nothing is running any more, whatever came of it. */
  async settled(): Promise<void> {
    await this.#running?.catch(() => undefined);
  }

  /** Starts `work` unless it is running. Its failure reaches those who `wait`, and nobody else. */
  start(work: () => Promise<T>): Promise<T> {
    if (this.#running === undefined) {
      const running = work().finally(() => {
        this.#running = undefined;
      });
      running.catch(() => undefined);
      this.#running = running;
    }
    return this.#running;
  }

  /**
   * Waits for `running` at most 10 s, among at most 1,000; else rejects with `TOKEN_UNAVAILABLE` or `BROKER_OVERLOADED`. A waiter that
   * goes away gives up its place at once.
   */
  async wait(running: Promise<T>, waiter?: Waiter): Promise<T> {
    if (this.#waiting >= MAX_WAITING) throw refusal('BROKER_OVERLOADED', 'too many requests are waiting for this token; try again later');
    this.#waiting += 1;
    const abandoned = Promise.withResolvers<never>();
    waiter?.onAbandoned(() => abandoned.reject(refusal('TOKEN_UNAVAILABLE', 'the caller went away')));
    try {
      return await within(this.#clock, WAIT_MS, Promise.race([running, abandoned.promise]), () => {
        throw refusal('TOKEN_UNAVAILABLE', 'the authorization server did not answer in time; try again later');
      });
    } finally {
      this.#waiting -= 1;
    }
  }
}

function refusal(code: 'BROKER_OVERLOADED' | 'TOKEN_UNAVAILABLE', message: string): BrokerError {
  return new BrokerError(code, message, { stage: 'token', retryAfterSeconds: 1 });
}
