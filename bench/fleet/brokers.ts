/** Real brokers, a process each, on one real Redis and one authorization server. */

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type BrokerProcess, startBrokerProcess } from '../../test/helpers/broker-process.ts';
import { type Redis, startRedis } from '../../test/helpers/redis.ts';

const LIFETIME_SECONDS = 10;
/** How long the authorization server takes for a grant. */
const GRANT_MS = 200;
/** Started so many at a time: each needs a core for a while. */
const STARTING = 4;

export interface Measured {
  readonly replicas: number;
  /** When all asked at the same moment for a token that nobody had. */
  readonly coldGrants: number;
  readonly grantsPerRenewal: number;
  /** Requests, and those that were not answered 200. */
  readonly requests: number;
  readonly failed: number;
  /** Commands of all replicas, for each of them and second; the client's pings are apart. */
  readonly commands: number;
  readonly pings: number;
}

export async function measureBrokers(replicas: number, renewals: number): Promise<Measured> {
  const redis = await startRedis({ unheard: true });
  const server = await startServers();
  const brokers: BrokerProcess[] = [];
  try {
    const config = configOf(server.url, redis.access);
    while (brokers.length < replicas) {
      const few = Array.from({ length: Math.min(STARTING, replicas - brokers.length) }, () => startBrokerProcess({ config }));
      brokers.push(...(await Promise.all(few)));
    }
    let [requests, failed] = [0, 0];
    const ask = async (broker: BrokerProcess) => {
      requests += 1;
      const answer = await fetch(`${broker.url()}/api`).catch(() => undefined);
      await answer?.arrayBuffer();
      if (answer?.status !== 200) failed += 1;
    };
    await Promise.all(brokers.map(ask));
    const coldGrants = server.grantedAt.length;
    const before = await commandCounts(redis);
    const startedAt = performance.now();
    while (rounds(server.grantedAt) <= renewals) {
      await Promise.all(brokers.map(ask));
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    const seconds = (performance.now() - startedAt) / 1000;
    const after = await commandCounts(redis);
    return {
      replicas,
      coldGrants,
      grantsPerRenewal: (server.grantedAt.length - coldGrants) / (rounds(server.grantedAt) - 1),
      requests,
      failed,
      commands: (after.commands - before.commands) / seconds / replicas,
      pings: (after.pings - before.pings) / seconds / replicas,
    };
  } finally {
    await Promise.all(brokers.map((broker) => broker.close()));
    server.close();
    await redis.close();
  }
}

/** Two renewals are at least 0.6 of a lifetime apart; what comes closer together renewed the same token. */
function rounds(grantedAt: readonly number[]): number {
  return grantedAt.filter((at, index) => at - (grantedAt[index - 1] ?? Number.NEGATIVE_INFINITY) > LIFETIME_SECONDS * 300).length;
}

/** `/token` grants, everything else is the upstream. */
async function startServers() {
  const grantedAt: number[] = [];
  const server = createServer((request, response) => {
    request.resume();
    if (request.url !== '/token') return response.end('ok');
    grantedAt.push(performance.now());
    const token = { access_token: `token-${grantedAt.length}`, token_type: 'Bearer', expires_in: LIFETIME_SECONDS };
    return setTimeout(() => response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(token)), GRANT_MS);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    grantedAt,
    url,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}

function configOf(url: string, redis: Redis['access']): Record<string, unknown> {
  return {
    listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
    authorizationServers: { as: { tokenEndpoint: `${url}/token` } },
    tokens: {
      api: {
        authorizationServer: 'as',
        grant: 'client_credentials',
        clientId: 'bench',
        clientAuthentication: { secret: { unsafeInline: 'bench-secret' } },
        // Renewed by the requests, which come to all at the same moment: the hardest case for a fleet.
        renew: { eager: false },
      },
    },
    routes: { api: { path: '/api', callers: ['anonymous'], token: 'api', upstream: url } },
    log: { access: false },
    store: {
      // As many processes as these on two cores answer late at times.
      redis: { ...redis, commandTimeout: '2s' },
      encryption: { keys: [{ id: 'k', key: { unsafeInline: Buffer.alloc(32).toString('base64') } }] },
    },
  };
}

async function commandCounts(redis: { command(...words: string[]): Promise<unknown> }) {
  const text = String(await redis.command('INFO', 'everything'));
  const number = (of: RegExp) => Number(of.exec(text)?.[1] ?? 0);
  const pings = number(/cmdstat_ping:calls=(\d+)/);
  // What a script runs counts as commands there; what came over the network are reads, one for each command.
  return { commands: number(/total_reads_processed:(\d+)/) - pings, pings };
}
