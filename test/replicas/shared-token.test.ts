/** Two brokers, one real Redis: one grant, and no request lost when Redis goes. */

import { randomBytes } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN, startBroker, type TestBroker } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { request } from '../helpers/http-client.ts';
import { type Redis, startRedis } from '../helpers/redis.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const closed = closedAfterEach();

interface Fleet {
  readonly redis: Redis;
  readonly authorizationServer: ScriptedServer;
  readonly origin: ScriptedServer;
  join(encryption?: Record<string, unknown>): Promise<TestBroker>;
}

async function fleet(options: { lifetimeSeconds?: number; store?: Record<string, unknown> } = {}): Promise<Fleet> {
  const redis = await startRedis();
  let count = 0;
  const authorizationServer = await startScriptedServer({
    answer: () => tokenAnswer({ access_token: `shared-token-${++count}`, expires_in: options.lifetimeSeconds ?? 3600 }),
  });
  const origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
  closed(redis, authorizationServer, origin);
  const key = randomBytes(32).toString('base64');
  return {
    redis,
    authorizationServer,
    origin,
    async join(encryption: Record<string, unknown> = { keys: [{ id: 'k1', key: { unsafeInline: key } }] }) {
      const broker = await startBroker({
        authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
        tokens: { orders: ORDERS_TOKEN },
        routes: { api: { path: '/api', callers: ['anonymous'], token: 'orders', upstream: origin.url } },
        store: { redis: { ...redis.access }, encryption, ...options.store },
      });
      closed(broker);
      return broker;
    },
  };
}

const get = (broker: TestBroker) => request(`${broker.url()}/api/x`);
const purge = (broker: TestBroker) =>
  request(`${broker.url('admin')}/tokens/orders/purge`, { method: 'POST', fields: { 'Token-Broker-Admin': '1' } });

describe('a shared store', () => {
  test('two brokers share a token: one grant', async () => {
    const { join, authorizationServer, origin } = await fleet();
    const [one, two] = [await join(), await join()];
    expect((await get(one)).status).toBe(200);
    expect((await get(two)).status).toBe(200);
    expect(authorizationServer.requests).toHaveLength(1);
    expect(origin.requests.map((each) => each.field('authorization')[0])).toEqual(['Bearer shared-token-1', 'Bearer shared-token-1']);
    expect(await two.logged('token taken from the store')).toMatchObject({ token: 'orders' });
  });

  test('C11 what stands in Redis shows no token, secret, client or token name, and ends before the token does', async () => {
    const { join, redis } = await fleet({ lifetimeSeconds: 100 });
    await get(await join());
    const [name] = (await redis.command('KEYS', '*')) as string[];
    expect(name).toMatch(/^token-broker:\{[0-9a-f]{64}\}$/);
    const value = (await redis.command('GET', name as string)) as string;
    expect(value + name).not.toMatch(/shared|orders|sidecar|expire/);
    const ttl = (await redis.command('PTTL', name as string)) as number;
    expect(ttl).toBeGreaterThan(0);
    expect(ttl).toBeLessThanOrEqual(95_000);
  });

  test('C15 a purge takes the token out of Redis: whoever needs it next has another one made', async () => {
    const { join, redis, authorizationServer } = await fleet();
    const one = await join();
    await get(one);
    expect((await purge(one)).status).toBe(200);
    expect(await redis.command('KEYS', '*')).toEqual([]);
    await get(await join());
    expect(authorizationServer.requests).toHaveLength(2);
  });

  test('C15 a grant that began before a purge elsewhere serves nobody there: the purging replica has its own made', async () => {
    const { join, origin, authorizationServer } = await fleet();
    const [one, two] = [await join(), await join()];
    const { answer } = authorizationServer;
    const first = Promise.withResolvers<void>();
    const asked = Promise.withResolvers<void>();
    authorizationServer.answer = async () => {
      authorizationServer.answer = answer;
      asked.resolve();
      await first.promise;
      return tokenAnswer({ access_token: 'token-of-before' });
    };
    const early = get(one);
    await asked.promise;
    expect((await purge(two)).status).toBe(200);
    const late = get(two);
    first.resolve();
    expect([(await early).status, (await late).status]).toEqual([200, 200]);
    expect(origin.requests.map((each) => each.field('authorization')[0])).toEqual(['Bearer token-of-before', 'Bearer shared-token-1']);
    await purge(one);
    await get(one);
    expect(origin.requests.at(-1)?.field('authorization')).not.toEqual(['Bearer token-of-before']);
  });

  test('a new encryption key costs no grant: entries of the old one are read until they end', async () => {
    const [old, current] = [randomBytes(32), randomBytes(32)].map((bytes) => ({ unsafeInline: bytes.toString('base64') }));
    const { join, authorizationServer } = await fleet();
    const before = await join({ keys: [{ id: 'old', key: old }] });
    expect((await get(before)).status).toBe(200);
    const after = await join({
      keys: [
        { id: 'current', key: current },
        { id: 'old', key: old },
      ],
    });
    expect((await get(after)).status).toBe(200);
    expect(authorizationServer.requests).toHaveLength(1);
  });

  test.each([
    ['truncated', (value: string) => value.slice(0, -9)],
    ['with a byte flipped', (value: string) => value.slice(0, -9) + (value.at(-9) === 'A' ? 'B' : 'A') + value.slice(-8)],
    ['empty', () => ''],
    ['a number', () => '7'],
    ['of an unknown version', (value: string) => `9${value.slice(1)}`],
  ])('C07 C09 an entry that is %s is a miss that is overwritten', async (_what, spoil) => {
    const { join, redis, authorizationServer } = await fleet();
    await get(await join());
    const [name] = (await redis.command('KEYS', '*')) as [string];
    const value = (await redis.command('GET', name)) as string;
    await redis.command('SET', name, spoil(value));
    const two = await join();
    expect((await get(two)).status).toBe(200);
    expect(authorizationServer.requests).toHaveLength(2);
    expect(await two.metrics()).toMatch(/token_broker_store_unreadable_total 1/);
    const three = await join();
    expect((await get(three)).status).toBe(200);
    expect(authorizationServer.requests).toHaveLength(2);
  });

  test('C05 killing Redis under load fails no request, and it is joined again when it is back', async () => {
    const { join, redis, authorizationServer } = await fleet({ lifetimeSeconds: 2 });
    const broker = await join();
    const statuses = new Map<number, number>();
    let going = true;
    const load = Promise.all(
      Array.from({ length: 8 }, async () => {
        while (going) {
          const { status } = await get(broker);
          statuses.set(status, (statuses.get(status) ?? 0) + 1);
        }
      }),
    );
    await broker.logged('token granted');
    await redis.kill();
    await broker.logged('store lost: serving from memory alone');
    await redis.restart();
    await broker.logged('store recovered');
    going = false;
    await load;
    expect([...statuses.keys()]).toEqual([200]);
    const grants = authorizationServer.requests.length;
    expect((await get(await join())).status).toBe(200);
    expect(authorizationServer.requests).toHaveLength(grants);
    expect(broker.log.filter((line) => line['msg'] === 'store lost: serving from memory alone')).toHaveLength(1);
  });

  test('C04 Redis absent at the start: a warning, memory only, and no request waits for long', async () => {
    const { join, redis, authorizationServer } = await fleet();
    await redis.kill();
    const broker = await join();
    expect((await get(broker)).status).toBe(200);
    expect(await broker.logged('store lost: serving from memory alone')).toMatchObject({ level: 'warn' });
    expect(authorizationServer.requests).toHaveLength(1);
  });

  test('C05 a stopped Redis, which accepts and says nothing, is given up after the deadline', async () => {
    const { join, redis } = await fleet({ lifetimeSeconds: 1 });
    const broker = await join();
    expect((await get(broker)).status).toBe(200);
    redis.stop();
    // The first token ends: the next one is looked for in the store, over the connection that has fallen silent.
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect((await get(broker)).status).toBe(200);
    expect(await broker.logged('store lost: serving from memory alone')).toMatchObject({ reason: 'etimedout' });
    redis.cont();
  });
});
