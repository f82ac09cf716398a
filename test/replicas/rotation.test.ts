/** Two brokers, one real Redis, and a client secret that has leaked: changed at the server and in its file, and every token of it purged. */

import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from '@jest/globals';
import { ORDERS_TOKEN, startBroker, type TestBroker } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { request } from '../helpers/http-client.ts';
import { startRedis } from '../helpers/redis.ts';
import { answerWith, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';
import { STORE_KEY } from '../helpers/shared-store.ts';

const closed = closedAfterEach();

const get = async (broker: TestBroker): Promise<string> => (await request(`${broker.url()}/api/x`)).text();
const purge = (broker: TestBroker) =>
  request(`${broker.url('admin')}/tokens/orders/purge`, { method: 'POST', fields: { 'Token-Broker-Admin': '1' } });

/** A server that takes one secret, and says in its tokens which. */
async function scene() {
  const directory = await mkdtemp(join(tmpdir(), 'token-broker-rotation-'));
  const file = join(directory, 'secret');
  let secret = '';
  const change = async (next: string) => {
    secret = next;
    await writeFile(`${file}.new`, next);
    await rename(`${file}.new`, file);
  };
  await change('the-leaked-secret');
  const redis = await startRedis();
  const authorizationServer = await startScriptedServer({
    answer: (asked) => {
      const sent = Buffer.from(asked.field('authorization')[0]?.split(' ')[1] ?? '', 'base64').toString();
      return sent.endsWith(`:${secret}`)
        ? tokenAnswer({ access_token: `token-${asked.count}-by-${secret}` })
        : oauthError('invalid_client', 401);
    },
  });
  const origin = await startScriptedServer({ answer: (asked) => answerWith(200, [], asked.field('authorization')[0]) });
  closed({ close: () => rm(directory, { recursive: true }) }, redis, authorizationServer, origin);
  const start = async () => {
    const broker = await startBroker({
      authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
      tokens: { orders: { ...ORDERS_TOKEN, clientAuthentication: { secret: { fromFile: file } } } },
      routes: { api: { path: '/api', callers: ['anonymous'], token: 'orders', upstream: origin.url } },
      store: { redis: { ...redis.access, commandTimeout: '5s' }, encryption: { keys: [STORE_KEY] } },
    });
    closed(broker);
    return broker;
  };
  return { redis, authorizationServer, change, start };
}

test('C15 serves no token of the old secret any more once the secret is another and each replica was purged', async () => {
  const { redis, change, start } = await scene();
  const brokers = [await start(), await start()];
  const old = 'Bearer token-1-by-the-leaked-secret';
  for (const broker of brokers) expect(await get(broker)).toBe(old);
  await change('the-secret-that-is-new');
  for (const broker of brokers) expect(await get(broker)).toBe(old);

  for (const broker of brokers) expect((await purge(broker)).status).toBe(200);
  expect(await redis.command('KEYS', '*')).toEqual([]);
  const served: string[] = [];
  for (const broker of brokers) {
    let text = await get(broker);
    // Until it has seen the file, it asks with the secret that the server does not take any more.
    while (!text.startsWith('Bearer ')) text = await get(broker);
    served.push(text);
  }
  expect(served[0]).toMatch(/^Bearer token-\d+-by-the-secret-that-is-new$/);
  expect(served[1]).toBe(served[0]);
});

test('C15 a purge leaves alone what is sealed with a key that the replica does not have', async () => {
  const { redis, start } = await scene();
  const broker = await start();
  await get(broker);
  const [name] = (await redis.command('KEYS', '*}')) as [string];
  const ofOthers = String(await redis.command('GET', name)).replace('1.k1.', '1.key-of-others.');
  await redis.command('SET', name, ofOthers);
  expect((await purge(broker)).status).toBe(200);
  await get(broker);
  expect(await redis.command('GET', name)).toBe(ofOthers);
});
