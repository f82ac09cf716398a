/** The order in which connections are used again, whoever leaves meanwhile. */

import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { IdleStack, type Stacked } from '../../src/upstream/http1/idle-stack.ts';

interface Each extends Stacked<Each> {
  readonly name: number;
}

describe('a stack of idle connections', () => {
  test('gives the one that came last, and knows the oldest and how many there are, whichever leave in between', () => {
    const steps = fc.array(fc.tuple(fc.constantFrom('push', 'pop', 'delete'), fc.nat(20)), { maxLength: 200 });
    fc.assert(
      fc.property(steps, (taken) => {
        const stack = new IdleStack<Each>();
        const all = Array.from({ length: 21 }, (_, name): Each => ({ name }));
        const expected: Each[] = [];
        for (const [step, name] of taken) {
          const each = all[name] as Each;
          const at = expected.indexOf(each);
          if (step === 'push' && at === -1) {
            stack.push(each);
            expected.push(each);
          } else if (step === 'pop') expect(stack.pop()).toBe(expected.pop());
          else if (step === 'delete') {
            stack.delete(each);
            if (at !== -1) expected.splice(at, 1);
          }
          expect([stack.size, stack.oldest]).toEqual([expected.length, expected[0]]);
        }
        while (expected.length > 0) expect(stack.pop()).toBe(expected.pop());
        expect(stack.pop()).toBeUndefined();
      }),
    );
  });
});
