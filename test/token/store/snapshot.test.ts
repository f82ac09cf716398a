/** What stands in a snapshot: as many tokens as there are, and a word where somebody has changed one. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { openStore } from '../../helpers/shared-store.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'token-broker-snapshot-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const file = () => join(directory, 'tokens');
const open = () => openStore(undefined, { snapshot: file() });

describe('a snapshot', () => {
  test('of two hundred tokens of 8 KiB serves all of them after a restart', async () => {
    const value = 'v'.repeat(8192);
    const before = open();
    for (let index = 0; index < 200; index += 1) await before.share(value, `identity-${index}`);
    await before.close();
    const after = open();
    expect(await after.obtain('identity-199')).toBe(value);
    expect(after.events).toEqual([]);
    await after.close();
  });

  test('C07 C09 whose entries were swapped serves none of them, and that is told of once', async () => {
    const before = open();
    await before.share('token-1', 'one');
    await before.share('token-2', 'two');
    await before.close();
    const { format, entries } = JSON.parse(await readFile(file(), 'utf8'));
    const [one, two] = Object.keys(entries) as [string, string];
    await writeFile(file(), JSON.stringify({ format, entries: { [one]: entries[two], [two]: entries[one] } }));
    const after = open();
    expect([typeof (await after.obtain('one')), typeof (await after.obtain('two'))]).toEqual(['object', 'object']);
    expect(after.events).toEqual(['unreadable damaged']);
    await after.close();
  });
});
