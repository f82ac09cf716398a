/** Redis in every kind of trouble, under load: no request fails, and what is shared is shared again when it is over. */

import { once } from 'node:events';
import { createServer } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterEach, describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN, startBroker } from '../helpers/broker.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import { type FaultProxy, passOn, startFaultProxy } from '../helpers/fault-proxy.ts';
import { measureLoad } from '../helpers/load.ts';
import { BROKER, type Redis, type RedisOptions, startRedis } from '../helpers/redis.ts';
import { LONG, scaled } from '../helpers/scale.ts';
import { tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';
import { STORE_KEY } from '../helpers/shared-store.ts';

const closing: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

const LIFETIME_SECONDS = scaled(2, 5);
const LOAD_SECONDS = scaled(2.5, 20);
const REQUESTS_PER_SECOND = scaled(100, 300);

interface Trouble {
  readonly redis: Redis;
  readonly proxy: FaultProxy;
}

interface Fault {
  readonly name: string;
  readonly tls?: true;
  begin(trouble: Trouble): unknown;
  end(trouble: Trouble): unknown;
}

const late = (ms: number) => (chunk: Buffer, client: { write(bytes: Buffer): unknown }) => void setTimeout(() => client.write(chunk), ms);

const FAULTS: readonly Fault[] = [
  { name: 'C05 killed', begin: ({ redis }) => redis.kill(), end: ({ redis }) => redis.restart() },
  { name: 'C05 stopped, with its connections open', begin: ({ redis }) => redis.stop(), end: ({ redis }) => redis.cont() },
  { name: 'C05 slow', begin: ({ proxy }) => proxy.answer(late(400)), end: ({ proxy }) => proxy.answer(passOn) },
  {
    name: 'C08 refusing the password',
    async begin({ redis }) {
      await redis.command('ACL', 'SETUSER', BROKER.username, 'resetpass', '>another');
      await redis.command('CLIENT', 'KILL', 'USER', BROKER.username);
    },
    end: ({ redis }) => redis.command('ACL', 'SETUSER', BROKER.username, `>${BROKER.password.unsafeInline}`),
  },
  {
    name: 'C08 out of memory',
    begin: ({ redis }) => redis.command('CONFIG', 'SET', 'maxmemory', '1'),
    end: ({ redis }) => redis.command('CONFIG', 'SET', 'maxmemory', '0'),
  },
  {
    name: 'C08 read-only',
    begin: ({ redis }) => redis.command('REPLICAOF', '127.0.0.1', '1'),
    end: ({ redis }) => redis.command('REPLICAOF', 'NO', 'ONE'),
  },
  {
    name: 'C08 replaced by something that is no Redis',
    begin: ({ proxy }) => proxy.answer(() => Buffer.from('HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n')),
    end: ({ proxy }) => proxy.answer(passOn),
  },
  {
    name: 'C14 with its TLS broken',
    tls: true,
    begin({ proxy }) {
      proxy.answer((chunk) => chunk.map((byte, at) => (at % 7 === 6 ? byte ^ 1 : byte)) as Buffer);
      proxy.cut();
    },
    end: ({ proxy }) => proxy.answer(passOn),
  },
];

async function tlsOptions(): Promise<NonNullable<RedisOptions['tls']>> {
  const authority = await sharedAuthority();
  return { ...(await authority.issueServer()), ca: authority.certificate };
}

async function startOrigin() {
  const server = createServer((_request, response) => response.end('ok'));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    async close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

/** Bytes in use after a collection. */
function heap(): number {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
  return process.memoryUsage().heapUsed;
}

async function scene(fault: Fault) {
  const tls = fault.tls && (await tlsOptions());
  const redis = await startRedis(tls && { tls });
  const proxy = await startFaultProxy(redis.port);
  const authorizationServer = await startScriptedServer({
    answer: ({ count }) => tokenAnswer({ access_token: `token-${count}`, expires_in: LIFETIME_SECONDS }),
  });
  // Keeps nothing of what it is asked: the heap is measured.
  const origin = await startOrigin();
  closing.push(redis, proxy, authorizationServer, origin);
  const join = async () => {
    const broker = await startBroker({
      authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
      tokens: { orders: { ...ORDERS_TOKEN, renew: { eager: true } } },
      routes: { api: { path: '/api', callers: ['anonymous'], token: 'orders', upstream: origin.url } },
      log: { level: 'info', access: false },
      store: {
        redis: { ...redis.access, url: `${tls ? 'rediss' : 'redis'}://127.0.0.1:${proxy.port}`, ...(tls && { tls: { ca: tls.ca } }) },
        encryption: { keys: [STORE_KEY] },
      },
    });
    closing.push(broker);
    return broker;
  };
  return { redis, proxy, authorizationServer, join };
}

describe('Redis', () => {
  test.each(FAULTS)(
    '$name: no request fails, and it is shared again when it is over',
    async (fault) => {
      const { redis, proxy, authorizationServer, join } = await scene(fault);
      const broker = await join();
      await broker.logged('token granted');
      const url = `${broker.url()}/api/x`;
      const before = await measureLoad(url, REQUESTS_PER_SECOND, scaled(0.5, LOAD_SECONDS));
      const heapBefore = LONG ? heap() : 0;
      const grantsBefore = authorizationServer.requests.length;
      // A machine this busy may have lost it once while it started.
      const linesBefore = broker.log.length;
      await fault.begin({ redis, proxy });
      const during = await measureLoad(url, REQUESTS_PER_SECOND, LOAD_SECONDS);
      const grants = authorizationServer.requests.length - grantsBefore;
      await broker.logged('store lost: serving from memory alone');
      const endedAt = performance.now();
      await fault.end({ redis, proxy });
      await broker.logged('store recovered');
      const backMs = performance.now() - endedAt;
      const other = await join();
      await other.logged('token taken from the store');

      expect([before.statuses, during.statuses].map((statuses) => Object.keys(statuses))).toEqual([['200'], ['200']]);
      // Renewed at 0.7 of its life at the earliest.
      expect(grants).toBeLessThanOrEqual(Math.ceil(during.seconds / (LIFETIME_SECONDS * 0.65)) + 1);
      const lines = broker.log.slice(linesBefore);
      const said = lines.map(({ msg }) => msg).filter((msg) => String(msg).startsWith('store'));
      // What a busy machine loses again when the trouble is over is no part of it.
      expect(said.slice(0, said.indexOf('store recovered') + 1)).toEqual(['store lost: serving from memory alone', 'store recovered']);
      if (!LONG) return;
      const heapMiB = (heap() - heapBefore) / 2 ** 20;
      const figures = [during.count, 0, before.p99.toFixed(1), during.p99.toFixed(1), grants, backMs.toFixed(0), heapMiB.toFixed(1)];
      process.stdout.write(`| ${fault.name} | ${figures.join(' | ')} |\n`);
    },
    LONG ? 300_000 : 40_000,
  );
});
