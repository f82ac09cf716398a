/** Two brokers, one real Redis, and a token that is bound to a key of each process. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN, startBroker } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { startRedis } from '../helpers/redis.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const closing: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

describe('a shared store', () => {
  test('T17 a DPoP token is neither written to it nor looked for in it', async () => {
    const redis = await startRedis();
    const authorizationServer = await startScriptedServer({ answer: () => tokenAnswer({ token_type: 'DPoP' }) });
    const origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
    closing.push(redis, authorizationServer, origin);
    for (let i = 0; i < 2; i += 1) {
      const broker = await startBroker({
        authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
        tokens: { orders: { ...ORDERS_TOKEN, dpop: true } },
        routes: { api: { path: '/api', callers: ['anonymous'], token: 'orders', upstream: origin.url } },
        store: { redis: { url: redis.url }, unsafePlaintext: true },
      });
      closing.push(broker);
      expect((await request(`${broker.url()}/api/x`)).status).toBe(200);
    }
    expect(authorizationServer.requests).toHaveLength(2);
    expect(await redis.command('KEYS', '*')).toEqual([]);
    expect(await redis.command('INFO', 'commandstats')).not.toMatch(/cmdstat_(?:get|mget|set|eval)/);
  });
});
