/** A broker that was closed, whatever it was in the middle of, keeps neither its process nor its memory. */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN } from '../helpers/broker.ts';
import { type BrokerProcess, spawnBroker } from '../helpers/broker-process.ts';
import { keepAlive, request } from '../helpers/http-client.ts';
import { openRaw } from '../helpers/raw-client.ts';
import { freePort, startRedis } from '../helpers/redis.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, startScriptedServer } from '../helpers/scripted-server.ts';
import { STORE_KEY } from '../helpers/shared-store.ts';

const PROGRAM = fileURLToPath(new URL('../helpers/closing-program.ts', import.meta.url));

const closing: { close(): unknown }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

type Config = Readonly<Record<string, unknown>>;

async function start(config: Config): Promise<BrokerProcess> {
  const broker = await spawnBroker({
    program: PROGRAM,
    nodeArgs: ['--expose-gc'],
    config: { listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } }, log: { level: 'debug' }, ...config },
  });
  closing.push(broker);
  return broker;
}

async function scripted(answer: Script) {
  const server = await startScriptedServer({ answer });
  closing.push(server);
  return server;
}

/** Takes connections and never says anything. */
async function startSilent(): Promise<{ readonly server: Server; readonly port: number; readonly address: string }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => void sockets.add(socket.on('error', () => undefined).resume()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push({
    close: () => {
      for (const socket of sockets) socket.destroy();
      server.close();
    },
  });
  const { port } = server.address() as AddressInfo;
  return { server, port, address: `127.0.0.1:${port}` };
}

function routeTo(upstream: string, more: Config = {}): Config {
  return { routes: { api: { path: '/api', callers: ['anonymous'], token: null, upstream, ...more } } };
}

function tokenFrom(server: Config): Config {
  return { authorizationServers: { as: server }, tokens: { orders: { ...ORDERS_TOKEN, renew: { eager: true } } } };
}

function storeIn(redis: Config): Config {
  return { store: { redis, encryption: { keys: [STORE_KEY] } } };
}

/** A handshake under way cannot be told to stop in undici and node-redis: its own time limit ends it. */
const HANDSHAKE = ['TCPSocketWrap'];

/** Nothing keeps the process, nothing of the broker is in memory, and nobody ends the process but itself. */
async function expectEnd(broker: BrokerProcess, held: readonly string[] = []): Promise<void> {
  await broker.logged('closed');
  expect(await broker.exited).toEqual({ code: 0, signal: null });
  expect(broker.stderr()).toBe('');
  const since = broker.log().slice(broker.log().findIndex(({ msg }) => msg === 'closed'));
  expect(since).toEqual([
    { msg: 'closed', held },
    { msg: 'collected', whole: true },
  ]);
}

async function expectEndOnceClosed(broker: BrokerProcess, held?: readonly string[]): Promise<void> {
  broker.signal('SIGUSR2');
  await expectEnd(broker, held);
}

describe('a closed broker leaves nothing behind, and lets its process end', () => {
  test('with connections of callers, of the admin address and to an upstream kept', async () => {
    const origin = await scripted(() => answerWith(200, [], 'ok'));
    const authorizationServer = await scripted(() => tokenAnswer());
    const broker = await start({
      ...tokenFrom({ tokenEndpoint: `${authorizationServer.url}/token` }),
      ...routeTo(origin.url, { token: 'orders' }),
    });
    await broker.logged('ready');
    const agent = keepAlive();
    closing.push({ close: () => agent.destroy() });
    expect((await request(`${broker.url()}/api`, { agent })).text()).toBe('ok');
    expect((await request(`${broker.url('admin')}/metrics`, { agent })).status).toBe(200);
    const half = await openRaw(broker.address());
    half.write('GET /api HTTP/1.1\r\nHos');
    const halfAsked = await openRaw(broker.address('admin'));
    halfAsked.write('GET /metrics HTTP/1.1\r\nHos');
    await expectEndOnceClosed(broker);
  });

  test('while its address is in use by another', async () => {
    const { address } = await startSilent();
    const redis = await startRedis();
    closing.push(redis);
    await expectEnd(await start({ ...storeIn(redis.access), listeners: { local: { address, authenticate: ['anonymous'] } } }));
  });

  test('while a token request hangs, and says nothing of a failure afterwards', async () => {
    const authorizationServer = await scripted(() => undefined);
    const broker = await start(tokenFrom({ tokenEndpoint: `${authorizationServer.url}/token` }));
    await authorizationServer.untilRequests(1);
    await expectEndOnceClosed(broker);
    expect(authorizationServer.connections).toHaveLength(1);
  });

  test('while the TLS handshake with an authorization server hangs', async () => {
    const { server, address } = await startSilent();
    const connected = once(server, 'connection');
    const broker = await start(tokenFrom({ tokenEndpoint: `https://${address}/token` }));
    await connected;
    await broker.logged('ready');
    await expectEndOnceClosed(broker, HANDSHAKE);
  });

  test('while discovery hangs', async () => {
    const authorizationServer = await scripted(() => undefined);
    const broker = await start(tokenFrom({ issuer: authorizationServer.url }));
    await authorizationServer.untilRequests(1);
    await expectEndOnceClosed(broker);
  });

  test('between two tries at an authorization server in trouble', async () => {
    const authorizationServer = await scripted(() => answerWith(503, []));
    const broker = await start(tokenFrom({ tokenEndpoint: `${authorizationServer.url}/token` }));
    await broker.logged('token attempt failed');
    await expectEndOnceClosed(broker);
  });

  test.each([
    ['hangs', (address: string) => routeTo(`http://${address}`)],
    ['has not finished its TLS handshake', (address: string) => routeTo(`https://${address}`)],
    ['has not finished its handshake of HTTP/2', (address: string) => routeTo(`http://${address}`, { upstreamProtocol: 'h2c' })],
    ['hangs behind a proxy', (address: string) => routeTo('http://127.0.0.1:9', { proxy: { url: `http://${address}` } })],
  ])('while an upstream %s', async (_how, config) => {
    const { server, address } = await startSilent();
    const broker = await start(config(address));
    await broker.logged('ready');
    const connected = once(server, 'connection');
    const asked = request(`${broker.url()}/api`).catch(() => undefined);
    await connected;
    await expectEndOnceClosed(broker);
    await asked;
  });

  test('while its Redis cannot be reached', async () => {
    const authorizationServer = await scripted(() => tokenAnswer());
    const url = { unsafeInline: `redis://127.0.0.1:${await freePort()}` };
    const broker = await start({ ...tokenFrom({ tokenEndpoint: `${authorizationServer.url}/token` }), ...storeIn({ url }) });
    await broker.logged('token granted');
    await expectEndOnceClosed(broker);
  });

  test.each([
    ['redis', []],
    ['rediss', HANDSHAKE],
  ])('while its Redis, by %s:, says nothing', async (scheme, held) => {
    const { server, address } = await startSilent();
    const connected = once(server, 'connection');
    const broker = await start(storeIn({ url: { unsafeInline: `${scheme}://:password@${address}` } }));
    await connected;
    await broker.logged('ready');
    await expectEndOnceClosed(broker, held);
  });

  test('while its Redis is gone, and does not connect again', async () => {
    const redis = await startRedis();
    closing.push(redis);
    const authorizationServer = await scripted(() => tokenAnswer());
    const broker = await start({ ...tokenFrom({ tokenEndpoint: `${authorizationServer.url}/token` }), ...storeIn(redis.access) });
    await broker.logged('token granted');
    await redis.kill();
    await request(`${broker.url('admin')}/tokens/orders/renew`, { method: 'POST', fields: { 'Token-Broker-Admin': '1' } });
    await broker.logged('store lost: serving from memory alone');
    await expectEndOnceClosed(broker);
  });
});
