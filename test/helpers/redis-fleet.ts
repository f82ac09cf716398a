/** Several real Redis servers: a cluster, or a master with a replica that sentinels watch. */

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRedisServer } from '../../scripts/find-tool.mjs';
import { freePort, type Redis, sendCommand, startRedis } from './redis.ts';

const SLOTS = 16_384;

export interface RedisCluster {
  /** Masters first, each with its replica three places later. */
  readonly nodes: readonly Redis[];
  /** `host:port` of each. */
  readonly addresses: readonly string[];
  /** The node whose slots hold this name. */
  masterOf(name: string): Promise<Redis>;
  close(): Promise<void>;
}

/** Three masters with a replica each, which takes over about two seconds after its master is gone. */
export async function startRedisCluster(): Promise<RedisCluster> {
  const buses = await Promise.all(Array.from({ length: 6 }, () => freePort()));
  const nodes = await Promise.all(
    buses.map((bus) => startRedis({ args: ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-port', String(bus)] })),
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
export async function startSentinelFleet(): Promise<SentinelFleet> {
  const [master, replica] = await Promise.all([startRedis(), startRedis()]);
  await replica.command('REPLICAOF', '127.0.0.1', String(master.port));
  await until(async () => String(await replica.command('INFO', 'replication')).includes('link_status:up'));
  const sentinels = await Promise.all(Array.from({ length: 3 }, () => startSentinel('the-master', master.port)));
  const ask = async (index: number, ...words: string[]) =>
    JSON.stringify(await sendCommand(`redis://${(sentinels[index] as Sentinel).address}`, {}, words));
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
  close(): Promise<void>;
}

async function startSentinel(master: string, masterPort: number): Promise<Sentinel> {
  const directory = await mkdtemp(join(tmpdir(), 'token-broker-sentinel-'));
  const port = await freePort();
  const settings = [
    `port ${port}`,
    'bind 127.0.0.1',
    `dir ${directory}`,
    `sentinel monitor ${master} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${master} 1000`,
    `sentinel failover-timeout ${master} 2000`,
  ];
  const file = join(directory, 'sentinel.conf');
  await writeFile(file, `${settings.join('\n')}\n`);
  const sentinel = spawn(findRedisServer(), [file, '--sentinel'], { stdio: 'ignore' });
  const exited = once(sentinel, 'exit');
  const address = `127.0.0.1:${port}`;
  await until(() => sendCommand(`redis://${address}`, {}, ['PING']).then(Boolean, () => false));
  return {
    address,
    async close() {
      sentinel.kill('SIGKILL');
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
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
