/** The answer to an upstream that refuses a token: which other one to send, and when asking for another would be a waste. */

import type { Clock } from '../clock.ts';
import type { Token } from './token.ts';

/** After an upstream refused a fresh token too, its refusals mean something else. */
const PAUSE_MS = 30_000;

/** Where another token comes from. */
export interface RefusedSource {
  peek(): Token | undefined;
  /** Waits for a token that is not known to be `refused`; `undefined` where none is on its way and none may be asked for now. */
  other(refused: Token, mayBegin: () => boolean): Promise<Token> | undefined;
}

export class Refusals {
  readonly #source: RefusedSource;
  readonly #clock: Clock;
  readonly #minIntervalMs: number;
  #countAt = Number.NEGATIVE_INFINITY;

  /** @param minIntervalMs between two renewals on this ground */
  constructor(source: RefusedSource, clock: Clock, minIntervalMs: number) {
    this.#source = source;
    this.#clock = clock;
    this.#minIntervalMs = minIntervalMs;
  }

  /** A token that had just been fetched on this ground was refused too: nothing is renewed on it for 30 s. */
  refusedAgain(): void {
    this.#countAt = this.#clock.monotonic() + PAUSE_MS;
  }

  /** Another token than the refused one, or `undefined` when there is none to be had. Never rejects. */
  async replace(token: Token): Promise<Token | undefined> {
    const held = this.#source.peek();
    if (held !== undefined && held.reveal() !== token.reveal()) return held;
    try {
      const other = await this.#source.other(token, () => this.#counts());
      return other?.reveal() === token.reveal() ? undefined : other;
    } catch {
      return undefined;
    }
  }

  /** Asked once for each renewal: an upstream that refuses every other request must not cost a grant for each. */
  #counts(): boolean {
    const now = this.#clock.monotonic();
    if (now < this.#countAt) return false;
    this.#countAt = now + this.#minIntervalMs;
    return true;
  }
}
