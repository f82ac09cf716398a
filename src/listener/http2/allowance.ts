/** How often something may happen: so many at once, and so many each second after that. */

export class Allowance {
  readonly #most: number;
  readonly #perSecond: number;
  #left: number;
  #lookedAt: number;

  /** @param now monotonic, in milliseconds */
  constructor(most: number, perSecond: number, now: number) {
    this.#most = most;
    this.#perSecond = perSecond;
    this.#left = most;
    this.#lookedAt = now;
  }

  /** Whether it may happen once more. */
  take(now: number): boolean {
    this.#left = Math.min(this.#most, this.#left + ((now - this.#lookedAt) / 1000) * this.#perSecond);
    this.#lookedAt = now;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
