/** What somebody with the right to write in Redis can do to those who share tokens there: cost grants, and no more. */

import { describe, expect, test } from '@jest/globals';
import { entryName, storedToken, storeScene, type TestStore } from '../../helpers/shared-store.ts';

const scene = storeScene({ prefixes: ['token-broker:', 'other:'] });
const { open } = scene;

const NAME = entryName('identity');
const LEASE = `${NAME}:lease`;

/** Takes the turn, shares by it, and waits until Redis has carried out what was sent. */
async function shareBy(store: TestStore): Promise<void> {
  await store.share('token-1');
  await store.obtain('another');
}

describe('a lease', () => {
  test.each([
    ['a list', ['RPUSH', LEASE, 'a']],
    ['longer than any of ours', ['SETRANGE', LEASE, '1000', 'x']],
  ])('C07 planted as %s is none: the turn is had at once, and the store stays in use', async (_what, command) => {
    await scene.redis.command(...command);
    const store = open();
    await shareBy(store);
    expect(store.events).toEqual([]);
    expect(await scene.redis.command('EXISTS', LEASE)).toBe(0);
    expect(await open().obtain()).toBe('token-1');
  });

  test('C07 changed into a list while it is held keeps nobody from sharing', async () => {
    const store = open();
    const turn = await store.obtain();
    if (typeof turn === 'string') throw new Error('nothing was shared');
    await scene.redis.command('DEL', LEASE);
    await scene.redis.command('RPUSH', LEASE, 'a');
    turn.share(storedToken('token-1'), 60_000);
    await store.obtain('another');
    expect(store.events).toEqual([]);
    expect(await open().obtain()).toBe('token-1');
  });

  test('C07 that lost its end is waited for once: whoever waited takes it over, and it is gone with the next token', async () => {
    await scene.redis.command('SET', LEASE, 'a-replica-of-long-ago');
    await shareBy(open());
    expect(await scene.redis.command('EXISTS', LEASE)).toBe(0);
  });

  test('C07 said to be given up for ever is gone with the next token', async () => {
    await scene.redis.command('SET', LEASE, 'gave-up');
    await shareBy(open());
    expect(await scene.redis.command('EXISTS', LEASE)).toBe(0);
  });
});

describe('Redis', () => {
  test('C07 tells replicas nothing that others publish there', async () => {
    const store = open();
    await shareBy(store);
    for (const channel of [NAME, LEASE, '__redis__:invalidate', '__keyspace@0__:x']) {
      expect(await scene.redis.command('PUBLISH', channel, 'x')).toBe(0);
    }
    const [ours] = /^.*\buser=broker\b.*$/m.exec(String(await scene.redis.command('CLIENT', 'LIST'))) ?? [];
    expect(ours).toContain('sub=0 psub=0');
  });
});

describe('an entry', () => {
  test('C07 of another token is none in plain text either: what comes from it is asked for under its own name', async () => {
    const plain = { encryption: undefined, unsafePlaintext: true };
    await scene.start({ unheard: true });
    await open(plain).share('token-of-another', 'other');
    await scene.redis.command('COPY', 'token-broker:{other}', 'token-broker:{identity}');
    const victim = open(plain);
    expect(typeof (await victim.obtain())).toBe('object');
    expect(victim.events).toEqual(['unreadable damaged']);
  });

  test('C07 too long to be one is not fetched, and written over', async () => {
    await scene.redis.command('SETRANGE', NAME, '50000000', 'x');
    const store = open();
    await shareBy(store);
    expect(store.events).toEqual(['unreadable damaged']);
    expect(await open().obtain()).toBe('token-1');
    const sent = /total_net_output_bytes:(\d+)/.exec(String(await scene.redis.command('INFO', 'stats')))?.[1];
    expect(Number(sent)).toBeLessThan(1_000_000);
  });

  test('C07 of another token, or of another prefix, is none', async () => {
    const store = open();
    await store.share('token-of-another', 'other');
    await shareBy(open({ prefix: 'other:' }));
    for (const planted of [entryName('other'), entryName('identity', 'other:')]) {
      await scene.redis.command('SET', NAME, String(await scene.redis.command('GET', planted)));
      const victim = open();
      expect(typeof (await victim.obtain())).toBe('object');
      expect(victim.events).toEqual(['unreadable damaged']);
      await scene.redis.command('DEL', LEASE);
    }
  });
});
