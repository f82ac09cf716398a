import { describe, expect, test } from '@jest/globals';
import type { Row } from '../../bench/proxy/lineup.ts';
import { judge } from '../../bench/proxy/promises.ts';
import { lines, table } from '../../bench/proxy/text.ts';

const NAME = 'GET 1 KiB, 32 connections, plain upstream';
const row = (figures: Record<string, number[] | string>, name = NAME): Row => ({
  name,
  unit: 'µs',
  figures: new Map(Object.entries(figures)),
});
const of = (judgements: ReturnType<typeof judge>) => judgements.map(({ figure, kept }) => [figure, kept]);

describe('a promise', () => {
  test('is judged by the medians of the rounds, and kept at the bound itself', () => {
    const cpu = [row({ broker: [16, 99, 15], nginx: [10, 10, 9], 'http-proxy-3': [41] })];
    expect(of(judge({ cpu }))).toEqual([
      ["1.60 × nginx's", true],
      ["0.39 × http-proxy-3's", true],
    ]);
  });

  test('is missed past the bound', () => {
    expect(of(judge({ cpu: [row({ broker: [17], nginx: [10] })] }))).toEqual([["1.70 × nginx's", false]]);
  });

  test('of throughput wants more, not less', () => {
    const name = 'GET 1 MiB, 32 connections, plain upstream';
    expect(of(judge({ throughput: [row({ broker: [70], nginx: [100] }, name)] }))).toEqual([["0.70 × nginx's", true]]);
    expect(of(judge({ throughput: [row({ broker: [69], nginx: [100] }, name)] }))).toEqual([["0.69 × nginx's", false]]);
  });

  test('of memory is what is above bare node', () => {
    const memory = [row({ 'bare node': [44] }, 'after one request'), row({ broker: [95] }, 'most at 1,000 connections under load')];
    expect(of(judge({ memory }))).toEqual([['51.0 MB', false]]);
  });

  test('of slow callers is missed when one of them was not cut', () => {
    expect(of(judge({ slow: [row({ broker: [3_999] }, 'slow ones that were cut')] }))).toEqual([['1.00', false]]);
    expect(of(judge({ slow: [row({ broker: [4_000] }, 'slow ones that were cut')] }))).toEqual([['0', true]]);
  });

  test('is missed when a figure was refused, and left out when it was not asked for', () => {
    expect(of(judge({ cpu: [row({ broker: 'not correct', nginx: [10] })] }))).toEqual([['refused', false]]);
    expect(judge({ cpu: [row({ broker: [10] })] })).toEqual([]);
  });
});

test('a row is told with its spread and its ratios to the peers that were measured', () => {
  expect(lines(row({ broker: [30, 20, 40], nginx: [10], haproxy: 'not correct' }), ['broker', 'nginx', 'haproxy', 'envoy'])).toEqual([
    NAME,
    '  broker               30.0 µs ±33% (3.00 × nginx)',
    '  nginx                10.0 µs',
    '  haproxy              refused',
  ]);
});

test('a table has a column for each target that any row has', () => {
  expect(table([row({ broker: [20] }, 'one'), row({ nginx: [10], broker: [30] }, 'two')], ['broker', 'nginx', 'haproxy'])).toBe(
    ['|  | broker | nginx |', '| --- | --- | --- |', '| one | 20.0 µs |  |', '| two | 30.0 µs (3.00 × nginx) | 10.0 µs |'].join('\n'),
  );
});
