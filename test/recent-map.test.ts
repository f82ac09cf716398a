import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { RecentMap } from '../src/recent-map.ts';

describe('recent map', () => {
  test('forgets what has gone unused and keeps what is used', () => {
    const map = new RecentMap<number>(10);
    map.set('used', 1);
    map.set('unused', 2);
    for (let i = 0; i < 100; i += 1) {
      map.set(`other-${i}`, i);
      expect(map.get('used')).toBe(1);
    }
    expect(map.get('unused')).toBeUndefined();
  });

  test('replaces a value wherever the old one stands', () => {
    const map = new RecentMap<number>(4);
    map.set('a', 1);
    map.set('b', 2);
    map.set('c', 3);
    map.set('a', 4);
    expect(map.get('a')).toBe(4);
    expect(map.size).toBe(3);
  });

  test('never holds more than its bound, and never gives a value that was not the last one set', () => {
    const step = fc.record({ key: fc.integer({ min: 0, max: 30 }).map(String), set: fc.boolean() });
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 12 }), fc.array(step, { maxLength: 200 }), (bound, steps) => {
        const map = new RecentMap<number>(bound);
        const last = new Map<string, number>();
        steps.forEach(({ key, set }, index) => {
          if (set) {
            map.set(key, index);
            last.set(key, index);
          }
          const value = map.get(key);
          expect(set ? [index] : [undefined, last.get(key)]).toContain(value);
          expect(map.size).toBeLessThanOrEqual(bound);
        });
      }),
    );
  });
});
