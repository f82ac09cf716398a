/** docs/callers.md says what each reason in the log means that a ticket was refused for. */

import { readFileSync } from 'node:fs';
import { expect, test } from '@jest/globals';
import { read } from './markdown.ts';

const FILES = ['kerberos.ts', 'negotiate-token.ts', 'negotiate.ts'];

test('each reason for refusing a ticket is told, and none that is not there', () => {
  const source = FILES.map((file) => readFileSync(new URL(`../../src/caller/${file}`, import.meta.url), 'utf8')).join('');
  const types = [...source.matchAll(/^export type \w+Fault =([^;]+);/gm)].map(([, union = '']) => union);
  const reasons = types.flatMap((union) => [...union.matchAll(/'(\w+)'/g)].map(([, reason]) => reason));
  const [, table = ''] = read('docs/callers.md').split('| `reason` in the log line `ticket refused` | means |\n| --- | --- |\n');
  const rows = table.slice(0, table.indexOf('\n\n')).split('\n');
  const told = rows.flatMap((row) => [...(row.split(' | ')[0] ?? '').matchAll(/`(\w+)`/g)].map(([, reason]) => reason));
  expect(reasons.length).toBeGreaterThan(10);
  expect(told.sort()).toEqual(reasons.sort());
});
