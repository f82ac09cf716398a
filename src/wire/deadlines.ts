/** Time limits of many connections by one timer: each says until when it may go on, and is told when that has passed. */

export interface Timed {
  /** On `performance.now()`'s scale; infinite while nothing is limited. */
  deadlineAt: number;
  onDeadline(): void;
}

/** Milliseconds that one turn of the event loop is spent on what is over: thousands may be at once, and others want to be heard. */
const TURN_MS = 0.5;

export class Deadlines {
  readonly #tickMs: number;
  readonly #timed = new Set<Timed>();
  #timer: NodeJS.Timeout | undefined;
  #lookedAt = 0;
  #lookedAway = false;
  #isJudging = false;

  /** @param shortestMs the shortest limit that will be set; each is noticed at most a quarter of it late */
  constructor(shortestMs: number) {
    this.#tickMs = Math.min(500, Math.max(10, shortestMs / 4));
  }

  /** `performance.now()` as of the last look, at most half a second ago while anything is timed. */
  get lastLookAt(): number {
    return this.#lookedAt;
  }

  add(timed: Timed): void {
    this.#timed.add(timed);
    if (this.#timer !== undefined) return;
    this.#lookedAt = performance.now();
    this.#timer = setInterval(() => this.#look(), this.#tickMs).unref();
  }

  delete(timed: Timed): void {
    this.#timed.delete(timed);
    if (this.#timed.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(): void {
    const now = performance.now();
    const wasBlocked = now - this.#lookedAt > 2 * this.#tickMs + 50;
    this.#lookedAt = now;
    // After a pause of the whole process, what the sockets hold is heard before anybody is judged; who is always behind judges all the same.
    this.#lookedAway = wasBlocked && !this.#lookedAway;
    if (this.#lookedAway || this.#isJudging) return;
    this.#isJudging = true;
    this.#judge(this.#timed.values());
  }

  #judge(left: SetIterator<Timed>): void {
    const now = performance.now();
    for (const timed of left) {
      if (now < timed.deadlineAt) continue;
      timed.deadlineAt = Number.POSITIVE_INFINITY;
      timed.onDeadline();
      if (performance.now() - now > TURN_MS) return void setImmediate(() => this.#judge(left));
    }
    this.#isJudging = false;
  }
}
