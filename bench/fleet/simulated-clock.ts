/** Time that passes as fast as its work is done: hours of ten thousand replicas in seconds. */

import type { Clock } from '../../src/clock.ts';

interface Timer {
  readonly at: number;
  readonly order: number;
  action: (() => void) | undefined;
}

export class SimulatedClock implements Clock {
  #now = 0;
  #order = 0;
  readonly #heap: Timer[] = [];
  readonly #startedAt = Date.now();

  now = () => this.#startedAt + this.#now;
  monotonic = () => this.#now;
  random = () => Math.random();

  after = (delayMs: number, action: () => void) => {
    this.#order += 1;
    const timer: Timer = { at: this.#now + Math.max(0, delayMs), order: this.#order, action };
    push(this.#heap, timer);
    return () => {
      timer.action = undefined;
    };
  };

  /** Lets everything happen that is due within this long, in its order. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await consequences();
    for (let next = this.#heap[0]; next !== undefined && next.at <= end; next = this.#heap[0]) {
      this.#now = Math.max(this.#now, next.at);
      while (this.#heap[0] !== undefined && this.#heap[0].at <= this.#now) pop(this.#heap).action?.();
      await consequences();
    }
    this.#now = end;
  }
}

/** What follows from what was done, down to the next timers. */
function consequences(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

function before(a: Timer, b: Timer): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

function push(heap: Timer[], timer: Timer): void {
  let at = heap.push(timer) - 1;
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(timer, heap[parent] as Timer)) break;
    heap[at] = heap[parent] as Timer;
    at = parent;
  }
  heap[at] = timer;
}

function pop(heap: Timer[]): Timer {
  const first = heap[0] as Timer;
  const last = heap.pop() as Timer;
  if (heap.length === 0) return first;
  let at = 0;
  for (;;) {
    const [left, right] = [2 * at + 1, 2 * at + 2];
    if (left >= heap.length) break;
    const child = right < heap.length && before(heap[right] as Timer, heap[left] as Timer) ? right : left;
    if (!before(heap[child] as Timer, last)) break;
    heap[at] = heap[child] as Timer;
    at = child;
  }
  heap[at] = last;
  return first;
}
