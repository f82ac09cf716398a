/** A store in a cluster, and behind sentinels: shared, lost with a master, and back with the next. */

import { describe, expect, test } from '@jest/globals';
import { sharedAuthority } from '../../helpers/certificates.ts';
import { closedAfterEach } from '../../helpers/closing.ts';
import { BROKER, type Redis } from '../../helpers/redis.ts';
import { moveSlot, startRedisCluster, startSentinelFleet } from '../../helpers/redis-fleet.ts';
import { entryName, openStore, storedToken, type TestStore } from '../../helpers/shared-store.ts';

const closed = closedAfterEach();

function open(redis: Record<string, unknown>): TestStore {
  // Finding all the servers of a fleet takes longer than a command may.
  const store = openStore({ ...redis, commandTimeout: '5s' });
  closed(store);
  return store;
}

/** A fleet of servers needs a while to find itself, and to agree on another master. */
const PATIENCE_MS = 60_000;

/**
 * The client may have waited for the next master, or the store was lost for a while, or that master had not heard of the token yet and
 * was given it again: it is there in the end.
 */
async function untilShared(store: TestStore, value: string): Promise<void> {
  for (;;) {
    const found = await store.obtain();
    if (found === value) return;
    if (typeof found === 'object') found.giveUp();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

const IDENTITIES = Array.from({ length: 12 }, (_, index) => `identity-${index}`);

describe('a store in a Redis Cluster', () => {
  test(
    'shares the tokens of all its nodes, and goes on by itself when a replica takes over from a dead master',
    async () => {
      const cluster = closed(await startRedisCluster());
      const [one, two] = [
        open({ cluster: { nodes: cluster.addresses.slice(0, 2) }, ...BROKER }),
        open({ cluster: { nodes: cluster.addresses }, ...BROKER }),
      ];
      for (const identity of IDENTITIES) await one.share(`token-of-${identity}`, identity);
      for (const identity of IDENTITIES) expect(await two.obtain(identity)).toBe(`token-of-${identity}`);
      expect([...one.events, ...two.events]).toEqual([]);

      const [master, , , replica] = cluster.nodes as [Redis, Redis, Redis, Redis];
      while ((await replica.command('DBSIZE')) !== (await master.command('DBSIZE')));
      await master.kill();
      // Whoever asks for a name of the dead node loses the store, and gets a turn.
      while (two.events.length === 0) for (const identity of IDENTITIES) await two.obtain(identity);
      await two.happened(/recovered/);
      for (const identity of IDENTITIES) expect(await two.obtain(identity)).toBe(`token-of-${identity}`);
      expect(two.events).toEqual([expect.stringMatching(/^lost /), 'recovered']);
    },
    PATIENCE_MS,
  );
});

describe('an entry whose slot is being moved to another node of a cluster', () => {
  test(
    'is read where it is, costs a grant of each replica while its lease cannot be had there, and never the store',
    async () => {
      const cluster = closed(await startRedisCluster());
      const access = { cluster: { nodes: cluster.addresses }, ...BROKER };
      const [one, two] = [open(access), open(access)];
      await one.share('token-1');
      const move = await moveSlot(cluster, entryName('identity'));
      // The entry has moved; a lease would be neither here nor there: -ASK, then -TRYAGAIN.
      expect(await two.obtain()).toBe('token-1');
      const turn = await two.store.obtain('identity', () => false);
      if (!('giveUp' in turn)) throw new Error('nothing was wanted');
      turn.share(storedToken('token-2'), 60_000);
      for (const identity of IDENTITIES) await two.obtain(identity);
      await move.finish();
      // -MOVED
      expect(await one.obtain()).toBe('token-1');
      const next = await two.store.obtain('identity', () => false);
      if (!('giveUp' in next)) throw new Error('nothing was wanted');
      next.share(storedToken('token-3'), 60_000);
      while ((await one.obtain()) !== 'token-3');
      expect([...one.events, ...two.events]).toEqual([]);
    },
    PATIENCE_MS,
  );
});

describe('C14 a store over TLS', () => {
  /** Certificates as clusters have them: for a name, while the servers tell each other's addresses. */
  async function certificates() {
    const authority = await sharedAuthority();
    const server = await authority.issueServer({ dns: ['redis.example'], ip: [], usage: ['server', 'client'] });
    const client = await authority.issueClient({ commonName: 'broker' });
    const ca = authority.certificate;
    return {
      server: { ...server, ca, clientCa: ca },
      client: { ca, serverName: 'redis.example', cert: client.cert, key: { unsafeInline: client.key } },
    };
  }

  test(
    'reaches all the nodes of a cluster, and those only that have the name to expect and take its certificate',
    async () => {
      const { server, client } = await certificates();
      const cluster = closed(await startRedisCluster({ tls: server }));
      const access = { cluster: { nodes: cluster.addresses.slice(0, 1) }, ...BROKER };
      const [one, two] = [open({ ...access, tls: client }), open({ ...access, tls: client })];
      for (const identity of IDENTITIES) await one.share(`token-of-${identity}`, identity);
      for (const identity of IDENTITIES) expect(await two.obtain(identity)).toBe(`token-of-${identity}`);
      expect([...one.events, ...two.events]).toEqual([]);
      await expectRefused(access, client);
    },
    PATIENCE_MS,
  );

  test(
    'reaches sentinels and the master they name, and follows to the next',
    async () => {
      const { server, client } = await certificates();
      const fleet = closed(await startSentinelFleet({ tls: server }));
      const access = { sentinel: { nodes: fleet.addresses, master: fleet.name, ...BROKER }, ...BROKER };
      const [one, two] = [open({ ...access, tls: client }), open({ ...access, tls: client })];
      await one.share('token-1');
      expect(await two.obtain()).toBe('token-1');
      await fleet.master.kill();
      await untilShared(two, 'token-1');
      await expectRefused(access, client);
    },
    PATIENCE_MS,
  );

  /** Whoever expects another name, or has no certificate, gets no connection. */
  async function expectRefused(access: Record<string, unknown>, client: Record<string, unknown>) {
    const { serverName: _name, ...unnamed } = client;
    const { cert: _cert, key: _key, ...without } = client;
    for (const tls of [unnamed, without]) {
      const refused = open({ ...access, tls });
      expect(typeof (await refused.obtain('any'))).toBe('object');
      await refused.happened(/^lost/);
    }
  }
});

describe('a store behind sentinels', () => {
  test(
    'follows them to the next master',
    async () => {
      const fleet = closed(await startSentinelFleet());
      const sentinel = { nodes: fleet.addresses, master: fleet.name, ...BROKER };
      const [one, two] = [open({ sentinel, ...BROKER }), open({ sentinel, ...BROKER })];
      await one.share('token-1');
      expect(await two.obtain()).toBe('token-1');
      await fleet.master.kill();
      await untilShared(two, 'token-1');
      await two.share('token-2', 'on the next master');
      expect(await one.obtain('on the next master')).toBe('token-2');
      expect(await fleet.replica.command('ROLE')).toContain('master');
    },
    PATIENCE_MS,
  );
});
