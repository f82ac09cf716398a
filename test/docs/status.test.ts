/** docs/operations.md tells every member of `/status`, and none that is not there. */

import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { FULL_STATUS } from '../helpers/full-status.ts';

const page = readFileSync(new URL('../../docs/operations.md', import.meta.url), 'utf8');
const rows = page.slice(page.indexOf('| member | holds |')).replace(/\n\n[\s\S]*/, '');

function membersOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(membersOf);
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => [name, ...membersOf(member)]);
}

test('docs/operations.md tells each member of the status', () => {
  const members = new Set(membersOf(FULL_STATUS));
  expect(members.size).toBeGreaterThan(40);
  const quoted = new Set([...rows.matchAll(/`([A-Za-z]+)`/g)].map(([, name]) => name as string));
  expect([...members].filter((name) => !quoted.has(name))).toEqual([]);
  const first = [...rows.matchAll(/^\| ([^|]+) \|/gm)].flatMap(([, cell = '']) =>
    [...cell.matchAll(/`([A-Za-z]+)`/g)].map(([, name]) => name as string),
  );
  expect(first.filter((name) => !members.has(name))).toEqual([]);
});
