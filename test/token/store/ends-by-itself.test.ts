/** A broker that was closed, in whatever trouble its Redis was, keeps neither its process nor its memory. */

import { once } from 'node:events';
import { describe, test } from '@jest/globals';
import { ORDERS_TOKEN } from '../../helpers/broker.ts';
import {
  CLIENT_OF_MANY,
  type Config,
  expectEnd,
  expectEndOnceClosed,
  HANDSHAKE,
  startSilentServer,
  startToClose,
} from '../../helpers/closed-broker.ts';
import { closedAfterEach } from '../../helpers/closing.ts';
import { request } from '../../helpers/http-client.ts';
import { BROKER, freePort, startRedis } from '../../helpers/redis.ts';
import { startRedisCluster, startSentinelFleet } from '../../helpers/redis-fleet.ts';
import { tokenAnswer } from '../../helpers/scripted-answers.ts';
import { startScriptedServer } from '../../helpers/scripted-server.ts';
import { STORE_KEY } from '../../helpers/shared-store.ts';

const kept = closedAfterEach();

async function start(redis: Config, more: Config = {}) {
  const authorizationServer = kept(await startScriptedServer({ answer: () => tokenAnswer() }));
  const store = { redis, encryption: { keys: [STORE_KEY] } };
  const tokens = { orders: { ...ORDERS_TOKEN, renew: { eager: true } } };
  const authorizationServers = { as: { tokenEndpoint: `${authorizationServer.url}/token` } };
  return kept(await startToClose({ authorizationServers, tokens, store, ...more }));
}

describe('a closed broker leaves nothing behind, and lets its process end', () => {
  test('while it cannot start, and its Redis connects a moment later', async () => {
    const { address } = kept(await startSilentServer());
    const redis = kept(await startRedis());
    await expectEnd(await start(redis.access, { listeners: { local: { address, authenticate: ['anonymous'] } } }));
  });

  test('while its Redis cannot be reached', async () => {
    const broker = await start({ url: { unsafeInline: `redis://127.0.0.1:${await freePort()}` } });
    await broker.logged('token granted');
    await expectEndOnceClosed(broker);
  });

  test.each([
    ['redis', []],
    ['rediss', HANDSHAKE],
  ])('while its Redis, by %s:, says nothing', async (scheme, mayHold) => {
    const { server, address } = kept(await startSilentServer());
    const connected = once(server, 'connection');
    const broker = await start({ url: { unsafeInline: `${scheme}://:password@${address}` } });
    await connected;
    await expectEndOnceClosed(broker, mayHold);
  });

  test.each([
    [
      'Redis',
      async () => {
        const redis = kept(await startRedis());
        return { nodes: [redis], access: redis.access, mayHold: [] };
      },
    ],
    [
      'cluster',
      async () => {
        const { nodes, addresses } = kept(await startRedisCluster());
        return { nodes, access: { cluster: { nodes: addresses }, ...BROKER }, mayHold: CLIENT_OF_MANY };
      },
    ],
    [
      'group of sentinels',
      async () => {
        const fleet = kept(await startSentinelFleet());
        return {
          nodes: [fleet.master, fleet.replica],
          access: { sentinel: { master: fleet.name, nodes: fleet.addresses, ...BROKER }, ...BROKER },
          mayHold: CLIENT_OF_MANY,
        };
      },
    ],
  ])('while its %s is gone, and does not connect again', async (_what, startStore) => {
    const { nodes, access, mayHold } = await startStore();
    const broker = await start(access);
    await broker.logged('token granted');
    await Promise.all(nodes.map((node) => node.kill()));
    await request(`${broker.url('admin')}/tokens/orders/renew`, { method: 'POST', fields: { 'Token-Broker-Admin': '1' } });
    await broker.logged('store lost: serving from memory alone');
    await expectEndOnceClosed(broker, mayHold);
  });
});
