/** Several real Redis servers: a cluster, or a master with a replica that sentinels watch. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRedisServer } from '../../scripts/find-tool.mjs';
import { BROKER, documentedRights, freePort, type Redis, type RedisOptions, sendCommand, startRedis, writeTls } from './redis.ts';

const SLOTS = 16_384;
/** A replica is not made to wait for others. */
const AT_ONCE = ['--repl-diskless-sync-delay', '0'];
const TLS_REPLICATION = ['--tls-replication', 'yes'];

export interface RedisCluster {
  /** Masters first, each with its replica three places later. */
  readonly nodes: readonly Redis[];
  /** `host:port` of each. */
  readonly addresses: readonly string[];
  /** The node whose slots hold this name. */
  masterOf(name: string): Promise<Redis>;
  close(): Promise<void>;
}

/** TLS between all of them, too. */
export type FleetOptions = Pick<RedisOptions, 'tls'>;

/** Three masters with a replica each, which takes over about two seconds after its master is gone. */
export async function startRedisCluster({ tls }: FleetOptions = {}): Promise<RedisCluster> {
  const buses = await Promise.all(Array.from({ length: 6 }, () => freePort()));
  const nodes = await Promise.all(
    buses.map((bus) => {
      const args = [...AT_ONCE, '--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-port', String(bus)];
      return startRedis(tls === undefined ? { args } : { args: [...args, '--tls-cluster', 'yes', ...TLS_REPLICATION], tls });
    }),
  );
  const masters = nodes.slice(0, 3);
  const ids = (await Promise.all(masters.map((node) => node.command('CLUSTER', 'MYID')))) as string[];
  await Promise.all(
    masters.map((node, index) => {
      const [from, to] = [Math.floor((index * SLOTS) / 3), Math.floor(((index + 1) * SLOTS) / 3) - 1];
      return node.command('CLUSTER', 'ADDSLOTSRANGE', String(from), String(to));
    }),
  );
  const [first] = nodes as [Redis];
  for (const [index, node] of nodes.entries()) {
    await node.command('CLUSTER', 'SET-CONFIG-EPOCH', String(index + 1));
    if (node !== first) await first.command('CLUSTER', 'MEET', '127.0.0.1', String(node.port), String(buses[index]));
  }
  await until(async () => (await Promise.all(nodes.map((node) => node.command('CLUSTER', 'NODES')))).every((text) => lines(text) === 6));
  await Promise.all(nodes.slice(3).map((node, index) => node.command('CLUSTER', 'REPLICATE', ids[index] as string)));
  await until(async () => {
    const states = await Promise.all(nodes.map((node) => node.command('CLUSTER', 'INFO')));
    const linked = await Promise.all(nodes.slice(3).map((node) => node.command('INFO', 'replication')));
    return (
      states.every((text) => String(text).includes('cluster_state:ok')) && linked.every((text) => String(text).includes('link_status:up'))
    );
  });
  return {
    nodes,
    addresses: nodes.map(({ port }) => `127.0.0.1:${port}`),
    async masterOf(name) {
      const slot = (await first.command('CLUSTER', 'KEYSLOT', name)) as number;
      return masters[Math.min(2, Math.floor((slot * 3) / SLOTS))] as Redis;
    },
    close: () => closeAll(nodes),
  };
}

/** Moves the slot of an entry from its master to the next one, as resharding does, as far as the entry itself. */
export async function moveSlot(cluster: RedisCluster, name: string): Promise<{ finish(): Promise<void> }> {
  const from = await cluster.masterOf(name);
  const masters = cluster.nodes.slice(0, 3);
  const to = masters[(masters.indexOf(from) + 1) % 3] as Redis;
  const [slot, idOfFrom, idOfTo] = [
    await from.command('CLUSTER', 'KEYSLOT', name),
    await from.command('CLUSTER', 'MYID'),
    await to.command('CLUSTER', 'MYID'),
  ].map(String) as [string, string, string];
  await to.command('CLUSTER', 'SETSLOT', slot, 'IMPORTING', idOfFrom);
  await from.command('CLUSTER', 'SETSLOT', slot, 'MIGRATING', idOfTo);
  await from.command('MIGRATE', '127.0.0.1', String(to.port), name, '0', '5000');
  return {
    async finish() {
      for (const node of [to, ...masters]) await node.command('CLUSTER', 'SETSLOT', slot, 'NODE', idOfTo);
    },
  };
}

export interface SentinelFleet {
  readonly master: Redis;
  readonly replica: Redis;
  /** What the sentinels call the master. */
  readonly name: string;
  /** `host:port` of each sentinel. */
  readonly addresses: readonly string[];
  close(): Promise<void>;
}

/** A master, a replica, and three sentinels that replace the master about a second after it is gone. */
export async function startSentinelFleet({ tls }: FleetOptions = {}): Promise<SentinelFleet> {
  const start = () => startRedis(tls === undefined ? { args: AT_ONCE } : { args: [...AT_ONCE, ...TLS_REPLICATION], tls });
  const [master, replica] = await Promise.all([start(), start()]);
  await replica.command('REPLICAOF', '127.0.0.1', String(master.port));
  await until(async () => String(await replica.command('INFO', 'replication')).includes('link_status:up'));
  const sentinels = await Promise.all(
    Array.from({ length: 3 }, () => startSentinel('the-master', master.port, tls === undefined ? {} : { tls })),
  );
  const ask = async (index: number, ...words: string[]) => JSON.stringify(await (sentinels[index] as Sentinel).command(...words));
  await until(async () => {
    const masters = await Promise.all(sentinels.map((_each, index) => ask(index, 'SENTINEL', 'MASTER', 'the-master')));
    const replicas = await Promise.all(sentinels.map((_each, index) => ask(index, 'SENTINEL', 'REPLICAS', 'the-master')));
    return (
      masters.every((text) => text.includes('"num-other-sentinels":"2"')) && replicas.every((text) => text.includes('"flags":"slave"'))
    );
  });
  return {
    master,
    replica,
    name: 'the-master',
    addresses: sentinels.map(({ address }) => address),
    close: () => closeAll([...sentinels, master, replica]),
  };
}

interface Sentinel {
  readonly address: string;
  command(...words: string[]): Promise<unknown>;
  close(): Promise<void>;
}

async function startSentinel(master: string, masterPort: number, options: FleetOptions): Promise<Sentinel> {
  const directory = await mkdtemp(join(tmpdir(), 'token-broker-sentinel-'));
  const port = await freePort();
  const tls = options.tls && settingsOf(await writeTls(directory, options.tls));
  const settings = [
    ...(tls === undefined ? [`port ${port}`] : ['port 0', `tls-port ${port}`, 'tls-replication yes', ...tls]),
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor ${master} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${master} 1000`,
    `sentinel failover-timeout ${master} 2000`,
    `user ${BROKER.username} on >${BROKER.password.unsafeInline} ${documentedRights('sentinel').join(' ')}`,
  ];
  const file = join(directory, 'sentinel.conf');
  await writeFile(file, `${settings.join('\n')}\n`);
  const sentinel = spawn(findRedisServer(), [file, '--sentinel'], { stdio: 'ignore' });
  const exited = once(sentinel, 'exit');
  const address = `127.0.0.1:${port}`;
  const command = (...words: string[]) => sendCommand(`${tls === undefined ? 'redis' : 'rediss'}://${address}`, options, words);
  await until(() => command('PING').then(Boolean, () => false));
  return {
    address,
    command,
    async close() {
      sentinel.kill('SIGKILL');
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** `--name value` pairs of a command line, as the lines of a file. */
function settingsOf(args: readonly string[]): string[] {
  return Array.from({ length: args.length / 2 }, (_, index) => `${args[2 * index]?.slice(2)} ${args[2 * index + 1]}`);
}

/** What servers tell each other takes a moment, and nobody says when it is done. */
async function until(reached: () => Promise<boolean>): Promise<void> {
  while (!(await reached())) await new Promise((resolve) => setTimeout(resolve, 50));
}

async function closeAll(all: readonly { close(): Promise<void> }[]): Promise<void> {
  await Promise.all(all.map((each) => each.close()));
}

function lines(text: unknown): number {
  return String(text).trim().split('\n').length;
}
