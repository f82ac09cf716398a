/** What stands in a snapshot: as many tokens as there are, and a word where somebody has changed one. */

import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { KeptFile } from '../../../src/config/kept-file.ts';
import { store as storeSchema } from '../../../src/config/schema/store.ts';
import { Snapshot } from '../../../src/token/store/snapshot.ts';
import { isTurn, noStore } from '../../../src/token/store/store.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { memoryStore } from '../../helpers/memory-store.ts';
import { openStore, STORE_KEY, storedToken } from '../../helpers/shared-store.ts';

let directory = '';
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'token-broker-snapshot-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const file = () => join(directory, 'tokens');
const open = () => openStore(undefined, { snapshot: file() });

/** A slow disk: it writes nothing before it is opened. */
class HeldFile extends KeptFile {
  writing = 0;
  readonly #gate = Promise.withResolvers<void>();
  readonly open = this.#gate.resolve;

  override async write(text: string): Promise<void> {
    this.writing += 1;
    await this.#gate.promise;
    await super.write(text);
    this.writing -= 1;
  }
}

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

  test('before another store gives to that, too, what was obtained, and that nothing was', async () => {
    const behind = memoryStore();
    const { encryption, snapshot } = storeSchema.parse({ encryption: { keys: [STORE_KEY] }, snapshot: file() });
    const observer = { notKept: () => undefined, unreadable: () => undefined };
    const store = new Snapshot({ file: snapshot as KeptFile, keys: encryption?.keys ?? [], behind, observer, clock: new FakeClock() });
    for (const identity of ['one', 'two']) {
      const turn = await store.obtain(identity, () => true);
      if (!isTurn(turn)) throw new Error('there is one already');
      if (identity === 'one') turn.share(storedToken('token-1'), 60_000);
      else turn.giveUp();
    }
    expect(behind.shared).toMatchObject([{ identity: 'one', token: { value: 'token-1' }, ttlMs: 60_000 }]);
    expect(behind.gaveUp).toBe(1);
    await store.close();
  });

  test('keeps none that has ended', async () => {
    const store = open();
    const turn = await store.obtain();
    if (typeof turn === 'object') turn.share({ ...storedToken('token-1'), requestedAt: 0 }, 60_000);
    await store.close();
    expect(JSON.parse(await readFile(file(), 'utf8')).entries).toEqual({});
  });

  test('C15 from which one is taken out first of all after a restart keeps the others', async () => {
    const before = open();
    for (const name of ['kept', 'purged']) await before.share(`token-${name}`, name);
    await before.close();
    const after = open();
    await after.store.remove('purged');
    await after.close();
    const last = open();
    expect([await last.obtain('kept'), typeof (await last.obtain('purged'))]).toEqual(['token-kept', 'object']);
    await last.close();
  });

  test('has what was obtained elsewhere from then on, and not what stood there before', async () => {
    const before = open();
    await before.share('token-1', 'moved');
    await before.close();
    const after = open();
    after.store.keep?.('moved', storedToken('token-2'));
    expect(typeof (await after.obtain('moved'))).toBe('object');
    await after.close();
    const last = open();
    expect(await last.obtain('moved')).toBe('token-2');
    await last.close();
  });

  test('C15 of the next config is written by that alone: what is purged there, nothing of the config before brings back', async () => {
    const before = open();
    for (const name of ['kept', 'purged', 'gone']) await before.share(`token-${name}`, name);
    const onItsWay = await before.obtain('late');
    const after = open();
    after.store.follow?.(before.store);
    expect(await after.obtain('kept')).toBe('token-kept');
    await after.store.remove('purged');
    expect(Object.keys(JSON.parse(await readFile(file(), 'utf8')).entries)).toHaveLength(2);
    if (typeof onItsWay === 'object') onItsWay.share(storedToken('token-late'), 60_000);
    await before.store.remove('gone');
    await before.close();
    await after.close();
    const last = open();
    expect(await Promise.all(['kept', 'purged', 'gone', 'late'].map((name) => last.obtain(name)))).toEqual([
      'token-kept',
      expect.any(Object),
      expect.any(Object),
      'token-late',
    ]);
    await last.close();
  });

  test('C15 of the config before is not written once more, though that was about to', async () => {
    const clock = new FakeClock();
    const { encryption, snapshot } = storeSchema.parse({ encryption: { keys: [STORE_KEY] }, snapshot: file() });
    const observer = { notKept: () => undefined, unreadable: () => undefined };
    const parts = { file: snapshot as KeptFile, keys: encryption?.keys ?? [], behind: noStore, observer, clock };
    const before = new Snapshot(parts);
    const turn = await before.obtain('purged', () => true);
    if (isTurn(turn)) turn.share({ ...storedToken('token-1'), requestedAt: clock.now() }, 60_000);
    const after = new Snapshot(parts);
    after.follow(before);
    await after.remove('purged');
    await clock.advance(1_000);
    await Promise.all([before.close(), after.close()]);
    expect(JSON.parse(await readFile(file(), 'utf8')).entries).toEqual({});
  });

  test('C15 that the config before is still writing is written again once that is done, and not beside it', async () => {
    const clock = new FakeClock();
    const held = new HeldFile(file());
    const { encryption } = storeSchema.parse({ encryption: { keys: [STORE_KEY] }, snapshot: file() });
    const observer = { notKept: () => undefined, unreadable: () => undefined };
    const parts = { file: held, keys: encryption?.keys ?? [], behind: noStore, observer, clock };
    const before = new Snapshot(parts);
    const turn = await before.obtain('purged', () => true);
    if (isTurn(turn)) turn.share({ ...storedToken('token-1'), requestedAt: clock.now() }, 60_000);
    await clock.advance(1_000);
    const after = new Snapshot(parts);
    after.follow(before);
    const removed = after.remove('purged');
    await new Promise(setImmediate);
    expect(held.writing).toBe(1);
    held.open();
    await Promise.all([removed, before.close(), after.close()]);
    expect(JSON.parse(await readFile(file(), 'utf8')).entries).toEqual({});
  });

  test('C15 what the config before gives back stays where the next one has obtained another', async () => {
    const before = open();
    await before.share('token-1', 'renamed');
    const after = open();
    after.store.follow?.(before.store);
    expect(await after.obtain('renamed')).toBe('token-1');
    await after.share('token-2', 'renamed');
    await before.store.remove('renamed');
    await Promise.all([before.close(), after.close()]);
    const last = open();
    expect(await last.obtain('renamed')).toBe('token-2');
    await last.close();
  });
});
