/** The reading side of a connection, on real sockets. */

import { once } from 'node:events';
import { expect, test } from '@jest/globals';
import { type Consume, Inlet } from '../../src/wire/inlet.ts';
import { socketPairs } from '../helpers/socket-pairs.ts';

const pair = socketPairs();

/** Resolves when the inlet has been offered bytes. */
function offered(consume: Consume): { consume: Consume; first: Promise<void> } {
  let wake = () => {};
  const first = new Promise<void>((resolve) => (wake = resolve));
  return {
    first,
    consume(bytes, from) {
      wake();
      return consume(bytes, from);
    },
  };
}

test('keeps what nobody can take, reads no more meanwhile, and gives it out in order', async () => {
  const { near, far } = await pair();
  const taken: string[] = [];
  let wanted = false;
  const { consume, first } = offered((bytes, from) => {
    if (!wanted) return from;
    taken.push(bytes.toString('latin1', from));
    return bytes.length;
  });
  const inlet = new Inlet(near, consume);
  far.write('one');
  await first;
  expect([inlet.hasRest, near.isPaused(), taken]).toEqual([true, true, []]);
  wanted = true;
  inlet.resume();
  expect([inlet.hasRest, near.isPaused(), taken]).toEqual([false, false, ['one']]);
});

test('S02 a consumer that pauses while it is given the rest stays paused', async () => {
  const { near, far } = await pair();
  let wanted = false;
  const { consume, first } = offered((bytes, from) => {
    if (!wanted) return from;
    inlet.pause();
    return bytes.length;
  });
  const inlet: Inlet = new Inlet(near, consume);
  far.write('one');
  await first;
  wanted = true;
  inlet.resume();
  expect([inlet.hasRest, near.isPaused()]).toEqual([false, true]);
  inlet.resume();
  expect(near.isPaused()).toBe(false);
});

test('gives out on what it was giving when the consumer paused and resumed in the midst of it', async () => {
  const { near, far } = await pair();
  const taken: string[] = [];
  const done = new Promise<void>((resolve) => {
    const inlet: Inlet = new Inlet(near, (bytes, from) => {
      inlet.pause();
      taken.push(String.fromCharCode(bytes[from] as number));
      inlet.resume();
      if (from + 1 === bytes.length) resolve();
      return from + 1;
    });
  });
  far.write('abc');
  await done;
  expect([taken, near.isPaused()]).toEqual([['a', 'b', 'c'], false]);
});

test('S08 what stands in line is copied once, not anew for each request that is taken of it', async () => {
  const { near, far } = await pair();
  const memories = new Set<ArrayBufferLike>();
  let text = '';
  let isBusy = true;
  const { consume, first } = offered((bytes, from) => {
    if (isBusy) return from;
    isBusy = true;
    memories.add(bytes.buffer);
    text += bytes.toString('latin1', from, from + 1);
    return from + 1;
  });
  const inlet = new Inlet(near, consume);
  far.write('x'.repeat(4_999));
  far.end('y');
  await first;
  for (let taken = 0; taken < 5_000; taken += 1) {
    while (!inlet.hasRest) await once(near, 'data');
    isBusy = false;
    inlet.resume();
  }
  expect(text).toBe(`${'x'.repeat(4_999)}y`);
  expect(memories.size).toBeLessThan(10);
});
