import { describe, expect, test } from '@jest/globals';
import { cpuPerRequest, cpuTicks, median, quantile, residentBytes, spread } from '../../bench/statistics.ts';

describe('a quantile', () => {
  const upTo = (count: number) => Float64Array.from({ length: count }, (_, index) => index + 1);

  test.each([
    [1000, 0.5, 500],
    [1000, 0.99, 990],
    [1000, 0.999, 999],
    [10, 0.99, 10],
    [3, 0.5, 2],
    [1, 0.999, 1],
    [10, 0, 1],
    [10, 1, 10],
  ])('of 1 to %i at %f is the nearest rank, %f', (count, q, expected) => {
    expect(quantile(upTo(count), q)).toBe(expected);
  });

  test('of nothing is no number', () => {
    expect(quantile([], 0.5)).toBeNaN();
  });
});

test('the median is the middle one in any order, or the mean of the two in the middle', () => {
  expect(median([9, 1, 5])).toBe(5);
  expect(median([4, 1, 3, 2])).toBe(2.5);
});

test('the spread is the distance of the extremes as a share of the median', () => {
  expect(spread([8, 10, 13])).toBe(0.5);
});

describe('the CPU time of a process', () => {
  const stat = (name: string) => `4711 (${name}) S 1 4711 4711 0 -1 4194560 2213 0 0 0 250 30 7 9 20 0 11 0 100 1024 512`;

  test('is its user and system ticks, without those of children that ended', () => {
    expect(cpuTicks(stat('node'))).toBe(280);
  });

  test('is found after a name with spaces and parentheses', () => {
    expect(cpuTicks(stat('a) R 1 (b c'))).toBe(280);
  });

  test('is given in microseconds for each request', () => {
    expect(cpuPerRequest(2.8, 40_000)).toBeCloseTo(70, 9);
  });
});

test('resident memory is read in bytes, and is 0 for a process that has ended', () => {
  expect(residentBytes('Name:\tnode\nVmHWM:\t   90000 kB\nVmRSS:\t   81920 kB\nThreads:\t11\n')).toBe(80 * 1024 ** 2);
  expect(residentBytes('Name:\tnode\nState:\tZ (zombie)\n')).toBe(0);
});
