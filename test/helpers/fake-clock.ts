/** A clock that tests move by hand: both its hands together, or apart. */

import type { Clock } from '../../src/clock.ts';

export class FakeClock implements Clock {
  #wall = 1_800_000_000_000;
  #mono = 1_000;
  #timers: { at: number; action: () => void }[] = [];
  randomValue = 0;

  now = () => this.#wall;
  monotonic = () => this.#mono;
  random = () => this.randomValue;

  after = (delayMs: number, action: () => void) => {
    const timer = { at: this.#mono + delayMs, action };
    this.#timers.push(timer);
    return () => {
      this.#timers = this.#timers.filter((other) => other !== timer);
    };
  };

  get timers(): number {
    return this.#timers.length;
  }

  /** Moves time on, running what falls due in its order; lets promises settle in between. */
  async advance(ms: number): Promise<void> {
    const end = this.#mono + ms;
    for (;;) {
      const next = this.#timers.filter((timer) => timer.at <= end).sort((a, b) => a.at - b.at)[0];
      if (next === undefined) break;
      this.#timers = this.#timers.filter((timer) => timer !== next);
      this.#step(Math.max(0, next.at - this.#mono));
      next.action();
      await settle();
    }
    this.#step(end - this.#mono);
    await settle();
  }

  /** The host was suspended: the wall clock went on, the monotonic one stood still. */
  suspend(ms: number): void {
    this.#wall += ms;
  }

  /** Somebody set the wall clock. */
  stepWall(ms: number): void {
    this.#wall += ms;
  }

  #step(ms: number): void {
    this.#wall += ms;
    this.#mono += ms;
  }
}

/** Lets everything that is ready run. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 5; i += 1) await new Promise((resolve) => setImmediate(resolve));
}
