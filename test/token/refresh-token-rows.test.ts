import { expect, test } from '@jest/globals';
import { type RefreshTokenRow, RefreshTokenRows } from '../../src/token/grants/refresh-token-rows.ts';

const idle = { name: 'a token that nobody uses' };
const busy = { name: 'a token whose configured refresh token changes' };

/** What is known of the row after it may have been forgotten. */
const latestOf = (rows: RefreshTokenRows, first: string) => rows.rowOf({}, 'owner', first).latest;
const redeemed = (row: RefreshTokenRow): RefreshTokenRow => {
  row.latest = `after ${row.of}`;
  return row;
};

test('forgets rows that no token of a config is of any more, but for the last hundred', () => {
  const rows = new RefreshTokenRows();
  const own = redeemed(rows.rowOf(idle, 'owner', 'own'));
  for (let change = 0; change < 300; change += 1) redeemed(rows.rowOf(busy, 'owner', `first ${change}`));
  expect(rows.rowOf(idle, 'owner', 'own')).toBe(own);
  expect(latestOf(rows, 'first 298')).toBeDefined();
  expect(latestOf(rows, 'first 199')).toBeDefined();
  expect(latestOf(rows, 'first 198')).toBeUndefined();
  expect(latestOf(rows, 'first 0')).toBeUndefined();
});

test('a config before has its rows until it is closed, and the last hundred are known after that', () => {
  const before = new RefreshTokenRows();
  const many = Array.from({ length: 200 }, (_none, i) => ({ holder: {}, first: `first ${i}` }));
  for (const { holder, first } of many) redeemed(before.rowOf(holder, 'owner', first));
  const next = new RefreshTokenRows();
  next.follow(before);
  redeemed(next.rowOf(busy, 'owner', 'first 0'));
  redeemed(next.rowOf(busy, 'owner', 'another'));
  for (const { holder, first } of many) expect(before.rowOf(holder, 'owner', first).latest).toBeDefined();
  before.close();
  expect(latestOf(next, 'another')).toBeDefined();
  expect(latestOf(next, 'first 100')).toBeDefined();
  expect(latestOf(next, 'first 99')).toBeUndefined();
});
