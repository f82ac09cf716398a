/** Time limits by one timer. */

import { afterEach, expect, test } from '@jest/globals';
import { Deadlines, type Timed } from '../../src/wire/deadlines.ts';

let deadlines: Deadlines;
const added: Timed[] = [];
afterEach(() => {
  for (const timed of added.splice(0)) deadlines.delete(timed);
});

/** Resolves when the deadline has been told. */
function passed(afterMs: number): Promise<void> {
  return new Promise((resolve) => {
    const timed = { deadlineAt: performance.now() + afterMs, onDeadline: resolve };
    added.push(timed);
    deadlines.add(timed);
  });
}

test('tells each once, those that are over and no others', async () => {
  deadlines = new Deadlines(40);
  let never = 0;
  const patient: Timed = { deadlineAt: Number.POSITIVE_INFINITY, onDeadline: () => (never += 1) };
  added.push(patient);
  deadlines.add(patient);
  await Promise.all([passed(0), passed(10), passed(20)]);
  expect(never).toBe(0);
  expect(added.map(({ deadlineAt }) => deadlineAt)).toEqual(Array.from({ length: 4 }, () => Number.POSITIVE_INFINITY));
});

test('a deadline that is told may delete others and add new ones', async () => {
  deadlines = new Deadlines(40);
  let toldOther = 0;
  const other: Timed = { deadlineAt: Number.POSITIVE_INFINITY, onDeadline: () => (toldOther += 1) };
  deadlines.add(other);
  await new Promise<void>((resolve) => {
    const timed: Timed = {
      deadlineAt: 0,
      onDeadline() {
        other.deadlineAt = 0;
        deadlines.delete(other);
        deadlines.delete(timed);
        void passed(0).then(resolve);
      },
    };
    deadlines.add(timed);
  });
  expect(toldOther).toBe(0);
});

test('S04 thousands that are over at once are told over many turns of the event loop, each of them once', async () => {
  deadlines = new Deadlines(40);
  let told = 0;
  let turns = 0;
  await new Promise<void>((resolve) => {
    const count = 50;
    for (let i = 0; i < count; i += 1) {
      const timed: Timed = {
        deadlineAt: 0,
        onDeadline() {
          const until = performance.now() + 2;
          while (performance.now() < until);
          told += 1;
          if (told === 1)
            setImmediate(function next() {
              turns += 1;
              if (told < count) setImmediate(next);
              else resolve();
            });
        },
      };
      added.push(timed);
      deadlines.add(timed);
    }
  });
  expect(told).toBe(50);
  expect(turns).toBeGreaterThan(25);
});

test('S04 a process that is always behind judges all the same', async () => {
  deadlines = new Deadlines(40);
  let told = false;
  const late = passed(0).then(() => (told = true));
  for (let turn = 0; turn < 20 && !told; turn += 1) {
    const until = performance.now() + 120;
    while (performance.now() < until);
    await new Promise((resolve) => setTimeout(resolve, 0));
  }
  expect(told).toBe(true);
  await late;
});
