/** At most one replica asks for a token at a time, while the store works; nothing depends on it. */

import { randomUUID } from 'node:crypto';
import { type Clock, pause } from '../../clock.ts';
import type { StoreBreaker } from './breaker.ts';
import type { Mark, StoreCommands } from './commands.ts';
import { GAVE_UP } from './scripts.ts';

/** How long the others wait for a holder that was killed or paused. */
const LEASE_MS = 2_000;
const KEEP_EVERY_MS = 700;
/** Longer than this nobody holds it: callers wait ten seconds, and another replica may have more luck. */
const LONGEST_HOLD_MS = 4_000;
/** Longer than two holders in a row. What a caller has left then is enough for a grant. */
const LONGEST_WAIT_MS = 8_000;
const SHORT_WAIT_MS = 1_000;
/** For so long those who wait for a holder see that it got nothing; then they ask too, all at once, as without a store. */
const GAVE_UP_MS = 1_000;
/** Milliseconds between two looks of one who waits: growing, with jitter. */
const FIRST_LOOK_MS = 50;
const LONGEST_LOOK_MS = 500;

interface LeaseParts {
  readonly commands: StoreCommands;
  readonly breaker: StoreBreaker;
  readonly clock: Clock;
}

interface Patience {
  /** When the need arose: waiting ends 8 s later. */
  readonly startedAt: number;
  /** It was waited for in vain before: waiting ends 1 s later, which is enough for most grants. */
  readonly short: boolean;
}

/** What its holder has seen under the name: what it writes replaces nothing newer. */
export class Lease {
  readonly #parts: LeaseParts;
  readonly #name: string;
  readonly #id = randomUUID();
  #heldAt = 0;
  #cancelKeeping = () => {};
  #ended = false;

  private constructor(parts: LeaseParts, name: string) {
    this.#parts = parts;
    this.#name = name;
  }

  /**
   * Waits for the lease while another replica holds it.
   *
   * @param mark what stands under the name
   * @returns `changed` as soon as something else stands there; `in_vain` when patience ends; `undefined` where nobody need wait
   */
  static async wait(parts: LeaseParts, name: string, mark: Mark, patience: Patience): Promise<Lease | 'changed' | 'in_vain' | undefined> {
    const { commands, breaker, clock } = parts;
    const lease = new Lease(parts, name);
    const { startedAt } = patience;
    const longestMs = patience.short ? SHORT_WAIT_MS : LONGEST_WAIT_MS;
    let other = { id: '', seenAt: startedAt };
    for (let lookMs = FIRST_LOOK_MS; ; lookMs = Math.min(lookMs * 1.5, LONGEST_LOOK_MS)) {
      const outlived = clock.monotonic() - other.seenAt > LONGEST_HOLD_MS + LEASE_MS ? other.id : '';
      const said = await breaker.run(name, () => commands.take(name, mark, lease.#id, LEASE_MS, outlived));
      if (said === 'held') return lease.#held();
      if (said === undefined || said === GAVE_UP) return undefined;
      if (clock.monotonic() - startedAt > longestMs) return 'in_vain';
      if (said === 'changed') return 'changed';
      if (said !== other.id) other = { id: said, seenAt: clock.monotonic() };
      await pause(clock, lookMs * (0.5 + clock.random()));
    }
  }

  /** For the command that ends it together with writing. */
  end(): string {
    this.#ended = true;
    this.#cancelKeeping();
    return this.#id;
  }

  giveUp(): void {
    this.end();
    void this.#set(GAVE_UP, GAVE_UP_MS);
  }

  #held(): this {
    this.#heldAt = this.#parts.clock.monotonic();
    this.#keepLater();
    return this;
  }

  #keepLater(): void {
    this.#cancelKeeping = this.#parts.clock.after(KEEP_EVERY_MS, () => {
      if (this.#parts.clock.monotonic() - this.#heldAt > LONGEST_HOLD_MS) return;
      void this.#set(this.#id, LEASE_MS).then(() => {
        if (!this.#ended) this.#keepLater();
      });
    });
  }

  async #set(content: string, ms: number): Promise<void> {
    const { breaker, commands } = this.#parts;
    await breaker.run(this.#name, () => commands.keep(this.#name, this.#id, content, ms));
  }
}
