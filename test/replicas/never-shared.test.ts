/** Two brokers, one real Redis, and tokens that nobody else may have or could use. */

import { describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN, startBroker } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { request } from '../helpers/http-client.ts';
import { startRedis } from '../helpers/redis.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const closed = closedAfterEach();

const OF_CALLERS = { ...ORDERS_TOKEN, grant: 'password', resourceOwner: 'caller' };

describe('a shared store', () => {
  test.each([
    ['T17', 'a DPoP token', { ...ORDERS_TOKEN, dpop: true }, 'anonymous', 'DPoP'],
    ['C01', "a token from the caller's own credentials", OF_CALLERS, 'basic-passthrough', 'Bearer'],
  ])('%s %s is neither written to it nor looked for in it', async (_id, _what, token, caller, type) => {
    const redis = await startRedis();
    const authorizationServer = await startScriptedServer({ answer: () => tokenAnswer({ token_type: type }) });
    const origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
    closed(redis, authorizationServer, origin);
    for (let i = 0; i < 2; i += 1) {
      const broker = await startBroker({
        listeners: { local: { address: '127.0.0.1:0', authenticate: [caller] } },
        authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
        tokens: { orders: token },
        routes: { api: { path: '/api', callers: [caller], token: 'orders', upstream: origin.url } },
        store: { redis: { ...redis.access }, unsafePlaintext: true },
      });
      closed(broker);
      const credentials = caller === 'anonymous' ? {} : { user: 'alice:her password' };
      expect((await request(`${broker.url()}/api/x`, credentials)).status).toBe(200);
    }
    expect(authorizationServer.requests).toHaveLength(2);
    expect(await redis.command('KEYS', '*')).toEqual([]);
    expect(await redis.command('INFO', 'commandstats')).not.toMatch(/cmdstat_(?:get|mget|set|eval)/);
  });
});
