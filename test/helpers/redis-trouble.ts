/** A broker under load while its Redis is in trouble, and what that has cost. */

import { once } from 'node:events';
import { createServer } from 'node:http';
import { describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN } from './broker.ts';
import { type BrokerProcess, startBrokerProcess } from './broker-process.ts';
import { sharedAuthority } from './certificates.ts';
import { closedAfterEach } from './closing.ts';
import { type FaultProxy, startFaultProxy } from './fault-proxy.ts';
import { ASKABLE, heapOf } from './heap.ts';
import { measureLoad } from './load.ts';
import { type Redis, type RedisOptions, startRedis } from './redis.ts';
import { LONG, scaled } from './scale.ts';
import { tokenAnswer } from './scripted-answers.ts';
import { startScriptedServer } from './scripted-server.ts';
import { STORE_KEY } from './shared-store.ts';

const closed = closedAfterEach();

const LIFETIME_SECONDS = scaled(2, 5);
export const LOAD_SECONDS = scaled(2, 20);
const REQUESTS_PER_SECOND = scaled(100, 300);
/** What had piled up for each request would come to more. */
const MOST_GROWTH_MIB = scaled(6, 3);
const TROUBLE_TIMEOUT_MS = LONG ? 900_000 : 40_000;

export interface Trouble {
  readonly redis: Redis;
  readonly proxy: FaultProxy;
}

export interface Fault {
  readonly name: string;
  readonly tls?: true;
  /** How long it lasts and how much is asked meanwhile, where that is not what is usual. */
  readonly load?: { readonly perSecond: number; readonly seconds: number };
  /** More arguments of redis-server. */
  readonly args?: readonly string[];
  begin(trouble: Trouble): unknown;
  /** @param begun what came of `begin` */
  end(trouble: Trouble, begun: unknown): unknown;
}

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

async function scene(fault: Fault) {
  const tls = fault.tls && (await tlsOptions());
  const redis = await startRedis({ ...(tls && { tls }), ...(fault.args && { args: fault.args }) });
  const proxy = await startFaultProxy(redis.port);
  const authorizationServer = await startScriptedServer({
    answer: ({ count }) => tokenAnswer({ access_token: `token-${count}`, expires_in: LIFETIME_SECONDS }),
  });
  const origin = await startOrigin();
  closed(redis, proxy, authorizationServer, origin);
  const join = async () => {
    const broker = await startBrokerProcess({
      nodeArgs: ASKABLE,
      config: {
        listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
        authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
        tokens: { orders: { ...ORDERS_TOKEN, renew: { eager: true } } },
        routes: { api: { path: '/api', callers: ['anonymous'], token: 'orders', upstream: origin.url } },
        log: { level: 'info', access: false },
        store: {
          redis: { ...redis.access, url: `${tls ? 'rediss' : 'redis'}://127.0.0.1:${proxy.port}`, ...(tls && { tls: { ca: tls.ca } }) },
          encryption: { keys: [STORE_KEY] },
        },
      },
    });
    closed(broker);
    return broker;
  };
  return { redis, proxy, authorizationServer, join };
}

/** What the broker has said of its store, from a line of its log on. */
function saidOfStore(broker: BrokerProcess, from: number): unknown[] {
  const said = broker.log().slice(from);
  return said.map(({ msg }) => msg).filter((msg) => String(msg).startsWith('store'));
}

interface Cost {
  /** Those of all answers, before and in the trouble. */
  readonly statuses: readonly string[];
  readonly grants: number;
  /** As many as there would be without a store. */
  readonly grantsExpected: number;
  /** How much the broker's heap has grown in the trouble, after a collection. */
  readonly heapMiB: number;
  /** What the broker has said of its store until it recovered. */
  readonly said: readonly unknown[];
  /** A row for docs/scaling.md. */
  readonly row: string;
}

/** A trouble from its begin until its end, and until two brokers share a token. */
async function troubleUnderLoad(fault: Fault): Promise<Cost> {
  const { redis, proxy, authorizationServer, join } = await scene(fault);
  const broker = await join();
  const heap = heapOf(broker);
  await broker.logged('token granted');
  const url = `${broker.url()}/api/x`;
  const before = await measureLoad(url, REQUESTS_PER_SECOND, scaled(0.5, LOAD_SECONDS));
  const { heapUsed: heapBefore } = await heap();
  const grantsBefore = authorizationServer.requests.length;
  // A machine this busy may have lost it once while it started.
  const linesBefore = broker.log().length;
  const begun = await fault.begin({ redis, proxy });
  const { perSecond, seconds } = fault.load ?? { perSecond: REQUESTS_PER_SECOND, seconds: LOAD_SECONDS };
  const during = await measureLoad(url, perSecond, seconds);
  const grants = authorizationServer.requests.length - grantsBefore;
  await broker.logged('store lost: serving from memory alone');
  const heapMiB = ((await heap()).heapUsed - heapBefore) / 2 ** 20;
  await fault.end({ redis, proxy }, begun);
  const endedAt = performance.now();
  await broker.logged('store recovered');
  const backMs = performance.now() - endedAt;
  const joinedAt = Date.now();
  const other = await join();
  // Either may be the one that always asks first.
  const takes = (each: BrokerProcess) => each.logged('token taken from the store', ({ time }) => Date.parse(String(time)) >= joinedAt);
  await Promise.race([broker, other].map(takes));

  const said = saidOfStore(broker, linesBefore);
  const failed = during.count - (during.statuses['200'] ?? 0);
  const figures = [during.count, failed, before.p99.toFixed(1), during.p99.toFixed(1), grants, backMs.toFixed(0), heapMiB.toFixed(1)];
  return {
    statuses: [...new Set([before, during].flatMap(({ statuses }) => Object.keys(statuses)))],
    grants,
    // Renewed at 0.7 of its life at the earliest.
    grantsExpected: Math.ceil(during.seconds / (LIFETIME_SECONDS * 0.65)) + 1,
    heapMiB,
    // What a busy machine loses again when the trouble is over is no part of it.
    said: said.slice(0, said.indexOf('store recovered') + 1),
    row: `| ${fault.name} | ${figures.join(' | ')} |`,
  };
}

/** No request fails, there are no more grants than without a store, nothing piles up, and loss and recovery are told of once. */
function expectHarmless({ statuses, grants, grantsExpected, heapMiB, said, row }: Cost): void {
  expect(statuses).toEqual(['200']);
  expect(grants).toBeLessThanOrEqual(grantsExpected);
  expect(heapMiB).toBeLessThan(MOST_GROWTH_MIB);
  expect(said).toEqual(['store lost: serving from memory alone', 'store recovered']);
  if (LONG) process.stdout.write(`${row}\n`);
}

/** One test for each fault. */
export function testHarmless(faults: readonly Fault[]): void {
  describe('Redis', () => {
    test.each(faults)(
      '$name: no request fails, and it is shared again when it is over',
      async (fault) => expectHarmless(await troubleUnderLoad(fault)),
      TROUBLE_TIMEOUT_MS,
    );
  });
}
