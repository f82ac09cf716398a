/** What breaks off on a Unix socket, which knows no reset: it is closed, and nobody else notices. */

import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type ListenOptions, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';

const ASK = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';
const AGREED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';
const WHOLE = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole';
const CUT = 'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nnot whole';

let folder: string;
let broker: TestBroker;
const sockets: Socket[] = [];
const closers: (() => void)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-unix-'));
});
afterEach(async () => {
  await broker.close();
  for (const close of closers.splice(0)) close();
  for (const socket of sockets.splice(0)) socket.destroy();
  await rm(folder, { recursive: true });
});

/** Says the answers in turn, one for each connection; `at` is where the broker finds it. */
async function startUpstream(where: ListenOptions, answers: string[]): Promise<Record<string, unknown>> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.push(socket.on('error', () => undefined));
    socket.once('data', () => socket.write(answers.shift() ?? WHOLE));
  }).listen(where);
  await once(server, 'listening');
  closers.push(() => server.close());
  const address = server.address();
  if (typeof address === 'string') return { upstream: 'http://127.0.0.1', upstreamSocket: address };
  return { upstream: `http://127.0.0.1:${address?.port}` };
}

async function start(address: string, upstream: Record<string, unknown>): Promise<void> {
  const routes = { api: { path: '/', callers: ['anonymous'], token: null, upgrade: true, ...upstream } };
  broker = await startBroker({ listeners: { local: { address, authenticate: ['anonymous'] } }, routes });
}

const listenerSocket = () => join(folder, 'listener.sock');
const upstreamSocket = () => join(folder, 'upstream.sock');
const ask = async () => (await sendRaw(broker.address(), ASK.replace('Upgrade\r\nUpgrade: echo', 'close'))).text;

test('U02 an answer that is cut short ends a caller on a Unix socket, and the next one is served', async () => {
  await start(`unix:${listenerSocket()}`, await startUpstream({ host: '127.0.0.1', port: 0 }, [CUT]));
  const caller = await openRaw(broker.address());
  caller.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await caller.waitFor('not whole');
  sockets[0]?.destroy();
  await caller.closed;
  expect(await ask()).toContain('whole');
});

test('S10 a tunnel of a caller on a Unix socket breaks off with the upstream', async () => {
  await start(`unix:${listenerSocket()}`, await startUpstream({ host: '127.0.0.1', port: 0 }, [AGREED]));
  const caller = await openRaw(broker.address());
  caller.write(ASK);
  await caller.waitFor('\r\n\r\n');
  sockets[0]?.resetAndDestroy();
  await caller.closed;
  expect(await ask()).toContain('whole');
});

test('S10 a tunnel to an upstream on a Unix socket breaks off with the caller', async () => {
  await start('127.0.0.1:0', await startUpstream({ path: upstreamSocket() }, [AGREED]));
  const caller = await openRaw(broker.address());
  caller.write(ASK);
  await caller.waitFor('\r\n\r\n');
  const ended = once(sockets[0]?.resume() as Socket, 'end');
  caller.reset();
  await ended;
  expect(await ask()).toContain('whole');
});
