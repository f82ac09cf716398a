/** Replicas that need a token at the same moment: one asks, whatever becomes of it. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN } from '../helpers/broker.ts';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { request } from '../helpers/http-client.ts';
import { type Redis, startRedis } from '../helpers/redis.ts';
import { type Replica, startReplica } from '../helpers/replicas.ts';
import { LONG, scaled } from '../helpers/scale.ts';
import { answerWith, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';
import { STORE_KEY } from '../helpers/shared-store.ts';

const closing: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

interface Scene {
  readonly redis: Redis;
  readonly authorizationServer: ScriptedServer;
  replicas(count: number, token?: Record<string, unknown>): Replica[];
}

/** The authorization server says `token-1`, `token-2`… */
async function scene(options: { lifetimeSeconds?: number; answer?: Script } = {}): Promise<Scene> {
  const redis = await startRedis();
  const answer: Script = ({ count }) => tokenAnswer({ access_token: `token-${count}`, expires_in: options.lifetimeSeconds ?? 3600 });
  const authorizationServer = await startScriptedServer({ answer: options.answer ?? answer });
  closing.push(redis, authorizationServer);
  return {
    redis,
    authorizationServer,
    replicas(count, token) {
      const started = Array.from({ length: count }, () =>
        startReplica({
          tokenEndpoint: `${authorizationServer.url}/token`,
          redis: { ...redis.access, commandTimeout: '5s' },
          ...(token !== undefined && { token }),
        }),
      );
      closing.push(...started);
      return started;
    },
  };
}

const values = async (replicas: readonly Replica[]) =>
  (await Promise.all(replicas.map(({ source }) => source.get()))).map((token) => token.reveal());

describe('replicas that share a store', () => {
  test('R06 fifty, released together onto a cold token: one grant', async () => {
    const { replicas, authorizationServer } = await scene();
    expect(new Set(await values(replicas(50)))).toEqual(new Set(['token-1']));
    expect(authorizationServer.requests).toHaveLength(1);
  });

  test(
    'R06 eight, over several renewals: hardly more than one grant for each',
    async () => {
      const lifetimeSeconds = scaled(2, 10);
      const periods = scaled(4, 10);
      const grantedAt: number[] = [];
      const { replicas, authorizationServer } = await scene({
        answer: ({ count }) => {
          grantedAt.push(performance.now());
          return tokenAnswer({ access_token: `token-${count}`, expires_in: lifetimeSeconds });
        },
      });
      const fleet = replicas(8);
      await values(fleet);
      // Two renewals are at least 0.6 of a lifetime apart; what comes closer together renewed the same token.
      const rounds = () =>
        grantedAt.filter((at, index) => at - (grantedAt[index - 1] ?? Number.NEGATIVE_INFINITY) > lifetimeSeconds * 300).length;
      await authorizationServer.until(() => rounds() > periods);
      expect(grantedAt.length / rounds()).toBeLessThanOrEqual(1.05);
      expect(fleet.flatMap(({ events }) => events)).toEqual([]);
    },
    LONG ? 200_000 : undefined,
  );

  test('a replica that asks and gets nothing holds up nobody: the others ask too', async () => {
    let refused = false;
    const { replicas, authorizationServer } = await scene({
      answer: ({ count }) => {
        if (refused) return tokenAnswer({ access_token: `token-${count}` });
        refused = true;
        return oauthError('invalid_client', 401);
      },
    });
    const [one, two] = replicas(2) as [Replica, Replica];
    const outcomes = await Promise.allSettled([one.source.get(), two.source.get()]);
    expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    expect(authorizationServer.requests).toHaveLength(2);
  });

  test('R07 an authorization server slower than the lease: every caller is served, and the later answer replaces nothing newer', async () => {
    const answers: (() => void)[] = [];
    const { replicas, redis, authorizationServer } = await scene({
      answer: ({ count }) => new Promise((resolve) => answers.push(() => resolve(tokenAnswer({ access_token: `token-${count}` })))),
    });
    const [one, two, three] = replicas(3) as [Replica, Replica, Replica];
    const slow = one.source.get();
    await authorizationServer.untilRequests(1);
    const next = two.source.get();
    // The first is answered only when the second has taken over.
    await authorizationServer.untilRequests(2);
    answers[1]?.();
    expect((await next).reveal()).toBe('token-2');
    const [name] = (await redis.command('KEYS', '*}')) as [string];
    const written = await redis.command('GET', name);
    answers[0]?.();
    expect((await slow).reveal()).toBe('token-1');
    expect((await three.source.get()).reveal()).toBe('token-2');
    expect(await redis.command('GET', name)).toBe(written);
  });
});

describe('a replica that has the turn', () => {
  async function processes(): Promise<{
    one: BrokerProcess;
    two: BrokerProcess;
    authorizationServer: ScriptedServer;
    redis: Redis;
    answer(): void;
  }> {
    let answer = () => {};
    const { redis, authorizationServer } = await scene({
      answer: ({ count }) => {
        if (count > 1) return tokenAnswer({ access_token: `token-${count}` });
        return new Promise((resolve) => (answer = () => resolve(tokenAnswer({ access_token: 'token-1' }))));
      },
    });
    const origin = await startScriptedServer({ answer: (message) => answerWith(200, [], String(message.field('authorization'))) });
    closing.push(origin);
    const config = {
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
      authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
      tokens: { orders: ORDERS_TOKEN },
      routes: { api: { path: '/api', callers: ['anonymous'], token: 'orders', upstream: origin.url } },
      store: { redis: { ...redis.access, commandTimeout: '2s' }, encryption: { keys: [STORE_KEY] } },
    };
    const [one, two] = await Promise.all([startBrokerProcess({ config }), startBrokerProcess({ config })]);
    closing.push(one, two);
    return { one, two, authorizationServer, redis, answer: () => answer() };
  }

  test('is killed: whoever waits for it is served by a grant of another', async () => {
    const { one, two, authorizationServer } = await processes();
    const lost = request(`${one.url()}/api/x`).catch(() => undefined);
    await authorizationServer.untilRequests(1);
    const waiting = request(`${two.url()}/api/x`);
    one.signal('SIGKILL');
    await lost;
    const answer = await waiting;
    expect([answer.status, answer.text()]).toEqual([200, 'Bearer token-2']);
  });

  test('is paused, and goes on too late: the others were served, and the newer token stays', async () => {
    const { one, two, authorizationServer, redis, answer } = await processes();
    const late = request(`${one.url()}/api/x`);
    await authorizationServer.untilRequests(1);
    one.signal('SIGSTOP');
    const served = await request(`${two.url()}/api/x`);
    expect([served.status, served.text()]).toEqual([200, 'Bearer token-2']);
    const [name] = (await redis.command('KEYS', '*}')) as [string];
    const written = await redis.command('GET', name);
    answer();
    one.signal('SIGCONT');
    expect((await late).status).toBe(200);
    expect(await redis.command('GET', name)).toBe(written);
  });
});
