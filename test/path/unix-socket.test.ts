/** What breaks off on a Unix socket, which knows no reset: it is closed, and nobody else notices. */

import { once } from 'node:events';
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type ListenOptions, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { Broker } from '../../src/broker.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { asNobody } from '../helpers/as-nobody.ts';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';

const ASK = 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';
const AGREED = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n';
const WHOLE = 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nwhole';
const CUT = 'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nnot whole';

let folder: string;
let broker: TestBroker | undefined;
const sockets: Socket[] = [];
const closers: (() => void)[] = [];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-unix-'));
});
afterEach(async () => {
  await broker?.close();
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

const address = () => (broker as TestBroker).address();
const listenerSocket = () => join(folder, 'listener.sock');
const upstreamSocket = () => join(folder, 'upstream.sock');
const ask = async () => (await sendRaw(address(), ASK.replace('Upgrade\r\nUpgrade: echo', 'close'))).text;

test('U02 an answer that is cut short ends a caller on a Unix socket, and the next one is served', async () => {
  await start(`unix:${listenerSocket()}`, await startUpstream({ host: '127.0.0.1', port: 0 }, [CUT]));
  const caller = await openRaw(address());
  caller.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await caller.waitFor('not whole');
  sockets[0]?.destroy();
  await caller.closed;
  expect(await ask()).toContain('whole');
});

test('S10 a tunnel of a caller on a Unix socket breaks off with the upstream', async () => {
  await start(`unix:${listenerSocket()}`, await startUpstream({ host: '127.0.0.1', port: 0 }, [AGREED]));
  const caller = await openRaw(address());
  caller.write(ASK);
  await caller.waitFor('\r\n\r\n');
  sockets[0]?.resetAndDestroy();
  await caller.closed;
  expect(await ask()).toContain('whole');
});

test('S10 a tunnel to an upstream on a Unix socket breaks off with the caller', async () => {
  await start('127.0.0.1:0', await startUpstream({ path: upstreamSocket() }, [AGREED]));
  const caller = await openRaw(address());
  caller.write(ASK);
  await caller.waitFor('\r\n\r\n');
  const ended = once(sockets[0]?.resume() as Socket, 'end');
  caller.reset();
  await ended;
  expect(await ask()).toContain('whole');
});

test('K01 every socket has the owner and the mode that its address asks for', async () => {
  const access = { owner: `${process.getuid?.()}:${process.getgid?.()}`, mode: '0606' };
  const at = (name: string) => ({ address: `unix:${join(folder, name)}`, ...access });
  broker = await startBroker({
    listeners: { local: { ...at('local'), authenticate: ['anonymous'] } },
    admin: at('admin'),
    probes: at('probes'),
  });
  const found = await Promise.all(['local', 'admin', 'probes'].map((name) => stat(join(folder, name))));
  expect(found.map(({ mode, uid, gid }) => [mode & 0o777, `${uid}:${gid}`])).toEqual(found.map(() => [0o606, access.owner]));
});

test('K01 a socket that this user may not give away is a clear error, and is gone', async () => {
  broker = undefined;
  const file = join(folder, 'sidecar.config.json');
  const listeners = { local: { address: `unix:${listenerSocket()}`, authenticate: ['anonymous'], owner: '0:0' } };
  await writeFile(file, JSON.stringify({ listeners, admin: { address: '127.0.0.1:0' } }));
  const { config } = await loadConfig(file);
  const failing = new Broker({ config, log: createLog('silent') });
  await expect(asNobody(folder, () => failing.start())).rejects.toThrow(
    `the address "unix:${listenerSocket()}" of listener "local" may not be given to its "owner" by this user; only root gives to another user, and members to their group`,
  );
  await failing.close();
  await expect(stat(listenerSocket())).rejects.toMatchObject({ code: 'ENOENT' });
});
