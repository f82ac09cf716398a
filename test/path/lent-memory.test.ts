/** Memory that one body was read into is used again for the next, of whatever connection: only when nobody looks at it any more. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, createServer, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, expect, test } from '@jest/globals';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { scaled } from '../helpers/scale.ts';

let broker: TestBroker;
const closers: (() => void)[] = [];
afterEach(async () => {
  await broker.close();
  for (const close of closers.splice(0)) close();
});

async function start(upstreamPort: number): Promise<void> {
  const upstream = `http://127.0.0.1:${upstreamPort}`;
  broker = await startBroker({
    routes: { api: { path: '/', callers: ['anonymous'], token: null, upstream } },
  });
}

const CALLERS = 16;
const ROUNDS = scaled(12, 200);
const SIZES = [900, 9_000, 70_000, 300_000, 900_000];

/** All of a message; slowly, the sender is ahead of it all the time. */
async function read(message: IncomingMessage, slowly: boolean): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) {
    chunks.push(chunk as Buffer);
    if (slowly) await nextTurn();
  }
  return Buffer.concat(chunks);
}

test('S02 bodies of all sizes on kept-alive connections arrive as they were sent, both ways, whoever is slow', async () => {
  const echo: RequestListener = (asked, response) => void read(asked, asked.url === '/slow-upstream').then((body) => response.end(body));
  const server = createServer(echo).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => server.close().closeAllConnections());
  await start((server.address() as AddressInfo).port);
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
  closers.push(() => agent.destroy());

  const ask = async (body: Buffer, path: string, slowly: boolean): Promise<Buffer> => {
    const asked = httpRequest(broker.url() + path, { agent, method: 'POST', headers: { 'content-length': body.length } });
    asked.end(body);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    return read(answer, slowly);
  };
  const wrong: string[] = [];
  await Promise.all(
    Array.from({ length: CALLERS }, async (_, caller) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const body = randomBytes(SIZES[(caller + round) % SIZES.length] as number);
        const answer = await ask(body, caller % 3 === 0 ? '/slow-upstream' : '/', caller % 2 === 0);
        if (!answer.equals(body)) wrong.push(`caller ${caller}, round ${round}`);
      }
    }),
  );
  expect(wrong).toEqual([]);
});
