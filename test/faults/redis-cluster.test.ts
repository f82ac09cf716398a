/** A Redis Cluster that is reshaped and falls apart, under load: no request fails, and sharing comes back by itself. */

import { expect, test } from '@jest/globals';
import { ORDERS_TOKEN, startBroker } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { measureLoad } from '../helpers/load.ts';
import { BROKER, type Redis } from '../helpers/redis.ts';
import { moveSlot, type RedisCluster, startRedisCluster } from '../helpers/redis-fleet.ts';
import { scaled } from '../helpers/scale.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';
import { STORE_KEY } from '../helpers/shared-store.ts';

const closed = closedAfterEach();

const LIFETIME_SECONDS = scaled(2, 5);
const LOAD_SECONDS = scaled(3, 20);

async function scene() {
  const cluster = await startRedisCluster();
  const authorizationServer = await startScriptedServer({
    answer: ({ count }) => tokenAnswer({ access_token: `token-of-a-cluster-${count}`, expires_in: LIFETIME_SECONDS }),
  });
  const origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
  closed(cluster, authorizationServer, origin);
  const join = async () => {
    const broker = await startBroker({
      authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
      tokens: { orders: { ...ORDERS_TOKEN, renew: { eager: true } } },
      routes: { api: { path: '/api', callers: ['anonymous'], token: 'orders', upstream: origin.url } },
      log: { level: 'info', access: false },
      store: { redis: { cluster: { nodes: cluster.addresses }, ...BROKER }, encryption: { keys: [STORE_KEY] } },
    });
    closed(broker);
    return broker;
  };
  return { cluster, join };
}

/** Which of the masters has the only entry, and what that is called. */
async function findEntry({ nodes }: RedisCluster): Promise<{ master: number; name: string }> {
  for (;;) {
    for (const [master, node] of nodes.slice(0, 3).entries()) {
      const [name] = (await node.command('KEYS', '*}')) as string[];
      if (name !== undefined) return { master, name };
    }
  }
}

test(
  'C08 a cluster that moves a slot, has another master take over, and loses one altogether: no request fails, and it is shared again each time',
  async () => {
    const { cluster, join } = await scene();
    const broker = await join();
    await broker.logged('token granted');
    const isShared = async () => void (await (await join()).logged('token taken from the store'));
    const load = (seconds: number) => measureLoad(`${broker.url()}/api/x`, 100, seconds);
    const { name } = await findEntry(cluster);

    const moving = moveSlot(cluster, name);
    const moved = load(LOAD_SECONDS);
    await (await moving).finish();
    const statuses = [(await moved).statuses];
    await isShared();

    // Where the slot is by now: its replica takes over.
    const { master } = await findEntry(cluster);
    await cluster.nodes[master]?.kill();
    statuses.push((await load(LOAD_SECONDS)).statuses);
    await isShared();

    // Others have no master any more: -CLUSTERDOWN for all slots.
    const other = (master + 1) % 3;
    const gone = [cluster.nodes[other + 3], cluster.nodes[other]] as Redis[];
    for (const node of gone) await node.kill();
    statuses.push((await load(LOAD_SECONDS)).statuses);
    for (const node of gone) await node.restart();
    await isShared();

    expect(statuses.map((each) => Object.keys(each))).toEqual([['200'], ['200'], ['200']]);
    const reasons = broker.log.filter(({ msg }) => msg === 'store lost: serving from memory alone').map(({ reason }) => reason);
    // The master that is gone is noticed by its connection, or by the others' word, whichever comes first.
    expect(reasons.filter((reason) => reason === 'clusterdown' || reason === 'unavailable')).not.toEqual([]);
    expect(reasons).not.toContain('tryagain');
  },
  scaled(90_000, 300_000),
);
