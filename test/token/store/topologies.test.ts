/** A store in a cluster, and behind sentinels: shared, lost with a master, and back with the next. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { BROKER } from '../../helpers/redis.ts';
import { startRedisCluster, startSentinelFleet } from '../../helpers/redis-fleet.ts';
import { openStore, type TestStore } from '../../helpers/shared-store.ts';

const closing: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

function open(redis: Record<string, unknown>): TestStore {
  // Finding all the servers of a fleet takes longer than a command may.
  const store = openStore({ ...redis, commandTimeout: '5s' });
  closing.push(store);
  return store;
}

/** A fleet of servers needs a while to find itself, and to agree on another master. */
const PATIENCE_MS = 60_000;

const IDENTITIES = Array.from({ length: 12 }, (_, index) => `identity-${index}`);

describe('a store in a Redis Cluster', () => {
  test(
    'shares the tokens of all its nodes, and goes on by itself when a replica takes over from a dead master',
    async () => {
      const cluster = await startRedisCluster();
      closing.push(cluster);
      const [one, two] = [
        open({ cluster: { nodes: cluster.addresses.slice(0, 2) }, ...BROKER }),
        open({ cluster: { nodes: cluster.addresses }, ...BROKER }),
      ];
      for (const identity of IDENTITIES) await one.share(`token-of-${identity}`, identity);
      for (const identity of IDENTITIES) expect(await two.obtain(identity)).toBe(`token-of-${identity}`);
      expect([...one.events, ...two.events]).toEqual([]);

      await (cluster.nodes[0] as { kill(): Promise<void> }).kill();
      // Whoever asks for a name of the dead node loses the store, and gets a turn.
      while (two.events.length === 0) for (const identity of IDENTITIES) await two.obtain(identity);
      await two.happened(/recovered/);
      for (const identity of IDENTITIES) expect(await two.obtain(identity)).toBe(`token-of-${identity}`);
      expect(two.events).toEqual([expect.stringMatching(/^lost /), 'recovered']);
    },
    PATIENCE_MS,
  );
});

describe('a store behind sentinels', () => {
  test(
    'follows them to the next master',
    async () => {
      const fleet = await startSentinelFleet();
      closing.push(fleet);
      const sentinel = { nodes: fleet.addresses, master: fleet.name };
      const [one, two] = [open({ sentinel, ...BROKER }), open({ sentinel, ...BROKER })];
      await one.share('token-1');
      expect(await two.obtain()).toBe('token-1');
      await fleet.master.kill();
      // The client may have waited for the next master, or the store was lost for a while: either way it is there again.
      while ((await two.obtain()) !== 'token-1') await two.happened(/recovered/);
      await two.share('token-2', 'on the next master');
      expect(await one.obtain('on the next master')).toBe('token-2');
      expect(await fleet.replica.command('ROLE')).toContain('master');
    },
    PATIENCE_MS,
  );
});
