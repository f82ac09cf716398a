/** Memory that one body was read into is used again for the next, of whatever connection: only when nobody looks at it any more. */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { Agent, createServer, request as httpRequest, type IncomingMessage, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Writable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { scaled } from '../helpers/scale.ts';

let folder: string;
let broker: TestBroker;
const closers: (() => void)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-memory-'));
});
afterEach(async () => {
  await broker.close();
  for (const close of closers.splice(0)) close();
  await rm(folder, { recursive: true });
});

const CALLERS = 16;
const ROUNDS = scaled(12, 200);
const EARLY_BYTES = 300_000;
const SIZES = [900, 8_000, 9_000, 70_000, 240_000, 350_000, 910_000];

/** Every few bytes of it say whose it is, and where they stand in it. */
function bodyOf(name: string, size: number): Buffer {
  const pieces: string[] = [];
  for (let at = 0; at < size; at += 16) pieces.push(`${name}:${at}`.padEnd(16, ' '));
  return Buffer.from(pieces.join('')).subarray(0, size);
}

/** In many small chunks where its length was not announced. */
function send(stream: Writable, body: Buffer, chunked: boolean): void {
  for (let at = 0; chunked && at < body.length; at += 5_000) stream.write(body.subarray(at, at + 5_000));
  stream.end(chunked ? undefined : body);
}

/** All of a message that comes; slowly, the sender is ahead of it all the time. */
async function read(message: IncomingMessage, slowly: boolean): Promise<Buffer> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of message) {
      chunks.push(chunk as Buffer);
      if (slowly) await sleep(2);
    }
  } catch {
    // A body that nobody waited for breaks off.
  }
  return Buffer.concat(chunks);
}

test.each([
  ['TCP', 'TCP'],
  ['TCP', 'a Unix socket'],
  ['a Unix socket', 'a Unix socket'],
])('S02 bodies of all sizes over %s and %s arrive as they were sent, both ways, whoever is slow or does not wait', async (from, to) => {
  const wrong: string[] = [];
  const echo: RequestListener = (asked, response) => {
    const name = String(asked.headers['x-name']);
    const isEarly = asked.url === '/early';
    if (isEarly) response.end(bodyOf(name, EARLY_BYTES));
    const begun = isEarly ? sleep(10) : Promise.resolve();
    void begun.then(async () => {
      const body = await read(asked, asked.url !== '/');
      if (!body.equals(bodyOf(name, body.length))) wrong.push(`the upstream, ${name}`);
      if (!isEarly) send(response, body, asked.headers['content-length'] === undefined);
    });
  };
  const server = createServer(echo).listen(to === 'TCP' ? { host: '127.0.0.1', port: 0 } : { path: join(folder, 'upstream.sock') });
  await once(server, 'listening');
  closers.push(() => server.close().closeAllConnections());
  const address = server.address() as AddressInfo | string;
  const upstream =
    typeof address === 'string'
      ? { upstream: 'http://127.0.0.1', upstreamSocket: address }
      : { upstream: `http://127.0.0.1:${address.port}` };
  const listener = from === 'TCP' ? '127.0.0.1:0' : `unix:${join(folder, 'listener.sock')}`;
  broker = await startBroker({
    listeners: { local: { address: listener, authenticate: ['anonymous'] } },
    routes: { api: { path: '/', callers: ['anonymous'], token: null, ...upstream } },
  });
  const agent = new Agent({ keepAlive: true, maxSockets: CALLERS });
  closers.push(() => agent.destroy());

  const ask = async (name: string, size: number, path: string, slowly: boolean): Promise<void> => {
    const where = from === 'TCP' ? { port: new URL(broker.url()).port } : { socketPath: broker.address().slice('unix:'.length) };
    const chunked = size % 7 === 0;
    const headers = { host: 'localhost', 'x-name': name, ...(chunked ? {} : { 'content-length': size }) };
    const asked = httpRequest({ ...where, host: '127.0.0.1', path, agent, method: 'POST', headers });
    send(asked, bodyOf(name, size), chunked);
    const [answer] = (await once(asked, 'response')) as [IncomingMessage];
    const got = await read(answer, slowly);
    if (!got.equals(bodyOf(name, path === '/early' ? EARLY_BYTES : size))) wrong.push(`the caller, ${name}`);
  };
  await Promise.all(
    Array.from({ length: CALLERS }, async (_, caller) => {
      for (let round = 0; round < ROUNDS; round += 1) {
        const path = ['/slow', '/', '/early', '/'][(caller + round) % 4] as string;
        await ask(`${caller}-${round}`, SIZES[(caller + round) % SIZES.length] as number, path, caller % 2 === 0);
      }
    }),
  );
  expect(wrong).toEqual([]);
});
