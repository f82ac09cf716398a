/** Many requests while upstream and callers fail in every way: none is lost or mixed up, and nothing piles up. */

import { readdirSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { Random } from '../fuzz/random.ts';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { ASKABLE, heapOf } from '../helpers/heap.ts';
import { keepAlive, request } from '../helpers/http-client.ts';
import { scaled } from '../helpers/scale.ts';

let broker: BrokerProcess;
let upstream: Server;
afterEach(async () => {
  await broker.close();
  upstream.closeAllConnections();
  await new Promise((resolve) => upstream.close(resolve));
});

const REQUESTS = scaled(4_000, 200_000);

/** Answers with what the path says, or fails in one of the ways. */
function startUpstream(random: Random): Promise<string> {
  upstream = createServer((asked, response) => {
    const tag = `answer to ${asked.url}`;
    asked.on('error', () => undefined).resume();
    const { socket } = asked;
    asked.on('end', () => {
      switch (random.int(12)) {
        case 0:
          return void socket.resetAndDestroy();
        case 1:
          return void socket.destroy();
        case 2:
          response.writeHead(200, { 'content-length': 1_000 });
          return void response.write(tag, () => socket.destroy());
        case 3:
          return void socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nok');
        case 4:
          return void response.writeHead(200, { connection: 'close' }).end(tag);
        case 5:
          return void setTimeout(() => response.end(tag), 5);
        case 6:
          response.write(tag.slice(0, 5));
          return void response.end(tag.slice(5));
        default:
          return void response.writeHead(200, { 'content-length': tag.length }).end(tag);
      }
    });
  });
  return new Promise((resolve) =>
    upstream.listen(0, '127.0.0.1', () => resolve(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`)),
  );
}

const MIB = 2 ** 20;
/** From a quarter of the requests on: 700 bytes for each of the others, in the long run 28. What a request leaves behind comes to more. */
const MOST_GROWTH_MIB = scaled(2, 4);

interface Became {
  whole: number;
  /** Visibly broken off. */
  cut: number;
  refused: number;
  /** By the caller. */
  left: number;
  mixedUp: number;
}

/** The requests from one number to another, by twenty callers. */
async function soak(from: number, to: number, random: Random): Promise<Became> {
  const agent = keepAlive(20);
  const url = broker.url();
  const became: Became = { whole: 0, cut: 0, refused: 0, left: 0, mixedUp: 0 };
  let next = from;
  const caller = async () => {
    while (next < to) {
      next += 1;
      const path = `/${next}`;
      const leaves = random.chance(20);
      const body = random.chance(3) ? 'b'.repeat(random.int(5_000)) : undefined;
      const signal = leaves ? AbortSignal.timeout(random.int(5)) : undefined;
      const answer = await request(`${url}/api${path}`, { agent, ...(body && { body }), ...(signal && { signal }) }).catch(() => undefined);
      if (answer === undefined) became[leaves ? 'left' : 'cut'] += 1;
      else if (answer.status === 502) became.refused += 1;
      else if (!answer.complete) became.cut += 1;
      else if (answer.status === 200 && answer.text() === `answer to ${path}`) became.whole += 1;
      else became.mixedUp += 1;
    }
  };
  await Promise.all(Array.from({ length: 20 }, caller));
  agent.destroy();
  return became;
}

test(
  'S11 a soak with mixed faults: each request is answered with its own answer or visibly broken off, told of once, and leaves nothing behind',
  async () => {
    const random = new Random(7);
    broker = await startBrokerProcess({
      nodeArgs: ASKABLE,
      config: {
        listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
        routes: {
          api: { path: '/api', callers: ['anonymous'], token: null, upstream: await startUpstream(random), pool: { idleTimeout: '1s' } },
        },
      },
    });
    const heap = heapOf(broker);
    const before = descriptors();
    const early = await soak(0, REQUESTS / 4, random);
    await untilAtRest(before);
    const heapEarly = await heap();
    const late = await soak(REQUESTS / 4, REQUESTS, random);
    const metrics = await untilAtRest(before);
    const heapLate = await heap();

    const became = (what: keyof Became) => early[what] + late[what];
    expect(became('mixedUp')).toBe(0);
    expect(became('whole') + became('cut') + became('refused') + became('left')).toBe(REQUESTS);
    expect(became('whole')).toBeGreaterThan(REQUESTS / 2);
    const told = broker.log().filter(({ msg }) => msg === 'request').length;
    expect(told).toBe(counted(metrics));
    expect(told).toBeGreaterThanOrEqual(became('whole') + became('refused'));
    expect(told).toBeLessThanOrEqual(REQUESTS);
    expect((heapLate.heapUsed - heapEarly.heapUsed) / MIB).toBeLessThan(MOST_GROWTH_MIB);
    expect((heapLate.external - heapEarly.external) / MIB).toBeLessThan(MOST_GROWTH_MIB);
  },
  scaled(60_000, 1_800_000),
);

/** Resolves to the metrics once it is as it was before the first request: no connection, nothing in flight, no descriptor more. */
async function untilAtRest(before: number): Promise<string> {
  for (;;) {
    const metrics = await (await fetch(`${broker.url('admin')}/metrics`, { headers: { connection: 'close' } })).text();
    const idle =
      /^token_broker_requests_in_flight 0$/m.test(metrics) && /^token_broker_connections_open\{listener="local"\} 0$/m.test(metrics);
    if (idle && descriptors() <= before + 2) return metrics;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

function counted(metrics: string): number {
  return [...metrics.matchAll(/^token_broker_requests_total\{.*\} (\d+)$/gm)].reduce((sum, [, count]) => sum + Number(count), 0);
}

function descriptors(): number {
  return readdirSync(`/proc/${broker.pid}/fd`).length;
}
