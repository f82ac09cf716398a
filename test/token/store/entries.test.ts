/** What stands in Redis: only what is ours is read, what is odd is written over, and nothing is told to those who look. */

import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { startReplica } from '../../helpers/replicas.ts';
import { scaled } from '../../helpers/scale.ts';
import { tokenAnswer } from '../../helpers/scripted-answers.ts';
import { startScriptedServer } from '../../helpers/scripted-server.ts';
import { entryName, STORE_KEY, storedToken, storeScene } from '../../helpers/shared-store.ts';

const scene = storeScene();
const { open, closing } = scene;

const NAME = entryName('identity');

describe('an entry', () => {
  test.each([
    ['cut short', ['SET', NAME, '1.k1.AAAA']],
    ['null', ['SET', NAME, 'null']],
    ['a number', ['SET', NAME, '7']],
    ['empty', ['SET', NAME, '']],
    ['of an unknown version', ['SET', NAME, '2.k1.AAAA']],
    ['a list', ['RPUSH', NAME, 'a', 'b']],
    ['a hash', ['HSET', NAME, 'a', 'b']],
  ])('C07 that is %s is a miss, told of once, counted each time, and written over', async (_what, command) => {
    const store = open();
    await scene.redis.command(...command);
    const turn = await store.obtain();
    if (typeof turn === 'string') throw new Error('it was read');
    turn.giveUp();
    const again = await store.obtain();
    if (typeof again === 'string') throw new Error('it was read');
    expect(store.events).toEqual(['unreadable damaged', 'unreadable damaged again']);
    again.share(storedToken('token-1'), 60_000);
    while ((await scene.redis.command('TYPE', NAME)) !== 'string' || (await scene.redis.command('STRLEN', NAME)) === command[2]?.length);
    expect(await open().obtain()).toBe('token-1');
  });

  test('C09 is not used past the end that stands inside it, whatever its TTL', async () => {
    const authorizationServer = await startScriptedServer({ answer: ({ count }) => tokenAnswer({ access_token: `token-${count}` }) });
    closing.push(authorizationServer);
    const start = () => {
      const redisAccess = { ...scene.redis.access, commandTimeout: '5s' };
      const token = { renew: { eager: false } };
      const replica = startReplica({ tokenEndpoint: `${authorizationServer.url}/token`, redis: redisAccess, token });
      closing.push(replica);
      return replica;
    };
    authorizationServer.answer = () => tokenAnswer({ access_token: 'short', expires_in: 1 });
    await start().source.get();
    while (((await scene.redis.command('KEYS', '*}')) as string[]).length === 0);
    const [name] = (await scene.redis.command('KEYS', '*}')) as [string];
    await scene.redis.command('PERSIST', name);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    authorizationServer.answer = () => tokenAnswer({ access_token: 'next' });
    expect((await start().source.get()).reveal()).toBe('next');
  });

  test('sealed with an unknown key is left alone', async () => {
    const [one, other] = [open(), open({ encryption: { keys: [{ ...STORE_KEY, id: 'other' }] } })];
    await one.share('token-1');
    expect(await open().obtain()).toBe('token-1');
    const before = await scene.redis.command('GET', NAME);
    await other.share('token-2');
    // A command later on the same connection: whatever was written stands by now.
    await other.obtain('another');
    expect(await scene.redis.command('GET', NAME)).toBe(before);
    expect(other.events).toEqual(['unreadable unknown_key']);
  });

  test('C15 that was taken out serves nobody any more', async () => {
    const [one, two] = [open(), open()];
    await one.share('token-1');
    expect(await two.obtain()).toBe('token-1');
    await two.store.remove('identity');
    expect(await scene.redis.command('EXISTS', NAME)).toBe(0);
    expect(await one.obtain()).not.toBe('token-1');
  });

  test.each([
    [{ expires_in: 3600 }, 3_595_000],
    [{ expires_in: '3600' }, 3_595_000],
    [{ expires_in: 3600.7 }, 3_595_700],
    [{ expires_in: 1 }, 900],
    [{ expires_in: undefined }, 295_000],
    [{ expires_in: 1e12 }, 86_395_000],
  ])('C10 of a token with %j ends before the token does', async (members, longestMs) => {
    const authorizationServer = await startScriptedServer({ answer: () => tokenAnswer(members) });
    closing.push(authorizationServer);
    const redisAccess = { ...scene.redis.access, commandTimeout: '5s' };
    const replica = startReplica({
      tokenEndpoint: `${authorizationServer.url}/token`,
      redis: redisAccess,
      token: { renew: { eager: false } },
    });
    closing.push(replica);
    await replica.source.get();
    let ttl = -2;
    while (ttl === -2) {
      const [name] = (await scene.redis.command('KEYS', '*}')) as string[];
      ttl = name === undefined ? -2 : Number(await scene.redis.command('PTTL', name));
    }
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(longestMs);
  });
});

describe('Redis', () => {
  test('C11 hears no token, secret, user or client name, whatever is done with the store', async () => {
    const authorizationServer = await startScriptedServer({
      answer: ({ count }) => tokenAnswer({ access_token: `an-access-token-${count}`, refresh_token: `a-refresh-token-${count}` }),
    });
    closing.push(authorizationServer);
    const resourceOwner = { username: { unsafeInline: 'the name of a user' }, password: { unsafeInline: 'the password of a user' } };
    const replicas = Array.from({ length: 3 }, () =>
      startReplica({
        tokenEndpoint: `${authorizationServer.url}/token`,
        redis: { ...scene.redis.access, commandTimeout: '5s' },
        token: { grant: 'password', clientId: 'the-name-of-a-client', scope: 'orders.read orders.write', resourceOwner },
      }),
    );
    closing.push(...replicas);
    await Promise.all(replicas.map(({ source }) => source.get()));
    await replicas[0]?.source.renew();
    await replicas[1]?.source.purge();
    await expect(scene.redis.close()).resolves.toBeUndefined();
  });

  test('C12 keeps nothing of ten thousand tokens that have ended', async () => {
    const store = open();
    const count = scaled(2_000, 10_000);
    for (let index = 0; index < count; index += 1) {
      const turn = await store.obtain(`identity-${index}`);
      if (typeof turn === 'object') turn.share(storedToken(`token-${index}`), 300);
    }
    while ((await scene.redis.command('DBSIZE')) !== 0) await new Promise((resolve) => setTimeout(resolve, 100));
    expect(store.events).toEqual([]);
  });

  test('C06 that is away is asked by nobody but a probe, and no command waits for it to come back', async () => {
    const store = open();
    await store.share('token-1');
    await scene.redis.kill();
    while (!store.events.some((event) => event.startsWith('lost'))) await store.obtain(randomBytes(4).toString('hex'));
    for (let index = 0; index < 100_000; index += 1) await store.obtain('identity');
    await scene.redis.restart();
    await store.happened(/recovered/);
    const stats = String(await scene.redis.command('INFO', 'stats'));
    expect(Number(/total_commands_processed:(\d+)/.exec(stats)?.[1])).toBeLessThan(50);
    expect(await open().obtain()).toBe('token-1');
  });
});

describe('C08 a store that could not be written', () => {
  test('is given the newer token when it can be again, though the older one still stands there', async () => {
    const [one, two] = [open(), open()];
    await one.share('token-1');
    expect(await two.obtain()).toBe('token-1');
    await scene.redis.command('REPLICAOF', '127.0.0.1', '1');
    const turn = await one.store.obtain('identity', () => false);
    if (!('giveUp' in turn)) throw new Error('nothing was wanted');
    turn.share({ ...storedToken('token-2'), requestedAt: Date.now() + 1 }, 60_000);
    await one.happened(/lost/);
    await scene.redis.command('REPLICAOF', 'NO', 'ONE');
    await one.happened(/recovered/);
    while ((await two.obtain()) !== 'token-2');
    expect(one.events).toEqual([expect.stringMatching(/^lost /), 'recovered']);
  });
});
