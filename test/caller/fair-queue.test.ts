import { describe, expect, test } from '@jest/globals';
import { createFairQueue, type FairQueue } from '../../src/caller/fair-queue.ts';
import type { BrokerError } from '../../src/errors.ts';
import { settle } from '../helpers/fake-clock.ts';

/** Tasks that end when told to, in a queue of their own. */
class Bench {
  readonly started: string[] = [];
  readonly dropped: string[] = [];
  running = 0;
  mostRunning = 0;
  readonly #queue: FairQueue;
  readonly #ends: (() => void)[] = [];

  constructor(maxRunning: number, maxWaiting: number) {
    this.#queue = createFairQueue(maxWaiting, maxRunning);
  }

  add(lane: string, task = lane): Promise<string> {
    const result = this.#queue.run(lane, async () => {
      this.started.push(task);
      this.running += 1;
      this.mostRunning = Math.max(this.mostRunning, this.running);
      const { promise: ended, resolve } = Promise.withResolvers<void>();
      this.#ends.push(resolve);
      await ended;
      this.running -= 1;
      return task;
    });
    result.catch((error: unknown) => this.dropped.push(`${task} ${(error as BrokerError).code}`));
    return result;
  }

  async endOne(): Promise<void> {
    this.#ends.shift()?.();
    await settle();
  }

  async endAll(): Promise<void> {
    await settle();
    while (this.#ends.length > 0) await this.endOne();
  }
}

describe('fair queue', () => {
  test('B05 never runs more at once than allowed, and runs everything', async () => {
    const bench = new Bench(2, 64);
    const results = Array.from({ length: 20 }, (_, index) => bench.add(`lane-${index % 3}`, `task-${index}`));
    await bench.endAll();
    expect((await Promise.all(results)).length).toBe(20);
    expect(bench.mostRunning).toBe(2);
    expect(bench.running).toBe(0);
  });

  test('B04 lets the lanes take turns, and each lane keep its order', async () => {
    const bench = new Bench(1, 64);
    for (const task of ['a1', 'a2', 'a3', 'a4', 'b1', 'b2', 'c1']) void bench.add(task.charAt(0), task);
    await bench.endAll();
    expect(bench.started).toEqual(['a1', 'a2', 'b1', 'c1', 'a3', 'b2', 'a4']);
  });

  test('refuses what exceeds the bound, with BROKER_OVERLOADED and Retry-After: 1', async () => {
    const bench = new Bench(1, 3);
    for (const task of ['a1', 'a2', 'a3', 'a4']) void bench.add('a', task);
    await expect(bench.add('a', 'a5')).rejects.toMatchObject({
      code: 'BROKER_OVERLOADED',
      status: 503,
      retryAfterSeconds: 1,
      stage: 'caller',
    });
    await bench.endAll();
    expect(bench.started).toEqual(['a1', 'a2', 'a3', 'a4']);
  });

  test('B04 a full queue makes room for another lane by dropping the newest task of the longest one', async () => {
    const bench = new Bench(1, 4);
    for (const task of ['flood1', 'flood2', 'flood3', 'flood4', 'flood5']) void bench.add('flood', task);
    const good = bench.add('good');
    await settle();
    expect(bench.dropped).toEqual(['flood5 BROKER_OVERLOADED']);
    await bench.endAll();
    await expect(good).resolves.toBe('good');
    expect(bench.started).toEqual(['flood1', 'flood2', 'good', 'flood3', 'flood4']);
  });

  test('a lane that would become the longest itself pushes nobody out', async () => {
    const bench = new Bench(1, 4);
    for (const task of ['x', 'a1', 'a2', 'b1', 'b2']) void bench.add(task.charAt(0), task);
    void bench.add('a', 'a3');
    await settle();
    expect(bench.dropped).toEqual(['a3 BROKER_OVERLOADED']);
    await bench.endAll();
    expect(bench.started).toEqual(['x', 'a1', 'b1', 'a2', 'b2']);
  });

  test('goes on after a task that fails', async () => {
    const queue = createFairQueue(4, 1);
    const failing = queue.run('a', () => Promise.reject(new Error('broken')));
    const next = queue.run('a', async () => 'next');
    await expect(failing).rejects.toThrow('broken');
    await expect(next).resolves.toBe('next');
    await expect(queue.run('b', async () => 'later')).resolves.toBe('later');
  });
});
