/** `GET /status`: what the broker shows of each part, and who may read it. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { BrokerStatus, CallersTokenStatus, HeldToken, SharedTokenStatus } from '../../src/admin/status.ts';
import { type Scene, type SceneOptions, startScene } from '../helpers/broker.ts';
import { startBrokerProcess } from '../helpers/broker-process.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { keepAlive, request } from '../helpers/http-client.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { freePort, startRedis } from '../helpers/redis.ts';
import { answerWith, hang, inTurn, metadataAnswer, oauthError, reset, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const closed = closedAfterEach();

function opened<Opened extends { close(): Promise<unknown> }>(one: Opened): Opened {
  closed(one);
  return one;
}

const scene = async (options: SceneOptions = {}): Promise<Scene> => opened(await startScene(options));

async function statusOf(started: { url(listener: string): string }): Promise<BrokerStatus> {
  const answer = await request(`${started.url('admin')}/status`);
  expect([answer.status, answer.field('content-type'), answer.field('cache-control')]).toEqual([200, 'application/json', 'no-store']);
  return answer.json() as BrokerStatus;
}

const tokenOf = (status: BrokerStatus) => status.tokens[0] as SharedTokenStatus;

/** Asks until the status is so. */
async function statusWhen(started: { url(listener: string): string }, isSo: (status: BrokerStatus) => boolean): Promise<BrokerStatus> {
  for (;;) {
    const status = await statusOf(started);
    if (isSo(status)) return status;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('the status of the broker', () => {
  test('names its format, version and phase, and when it began', async () => {
    const before = Date.now();
    const started = await scene();
    const running = Date.now();
    const status = await statusOf(started);
    const after = Date.now();
    expect(status).toMatchObject({ format: 1, version: expect.stringMatching(/^\d+\.\d+\.\d+/), phase: 'running', unusableFiles: [] });
    expect(status).not.toHaveProperty('notReady');
    expect(new Date(status.startedAt).toISOString()).toBe(status.startedAt);
    const [startedAt, now] = [Date.parse(status.startedAt), Date.parse(status.now)];
    const inOrder = [before, startedAt, running, now, after];
    expect(inOrder).toEqual(inOrder.toSorted((a, b) => a - b));
    // Each instant is cut to milliseconds, and the clock that runs on is read beside the one on the wall, not with it.
    expect(status.uptimeSeconds * 1000).toBeGreaterThanOrEqual(now - running - 2);
    expect(status.uptimeSeconds * 1000).toBeLessThanOrEqual(after - startedAt + 2);
  });

  test('says why it is not ready, and that a listener drains', async () => {
    const started = await scene({ origin: hang, config: { shutdown: { delay: '0s', grace: '20s' } }, route: { token: null } });
    const abort = new AbortController();
    const waiting = request(`${started.url()}/api/x`, { signal: abort.signal }).catch(() => undefined);
    while (started.origin.requests.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const drained = started.broker.drain();
    const status = await statusOf(started);
    expect(status).toMatchObject({ phase: 'draining', notReady: 'draining', requestsInFlight: 1 });
    expect(status.listeners).toEqual([{ name: 'local', serve: 'proxy', address: started.address(), connections: 1, draining: true }]);
    abort.abort();
    await Promise.all([waiting, drained]);
  });
});

describe('the status of a token', () => {
  test('before it is first needed there is none', async () => {
    expect(tokenOf(await statusOf(await scene()))).toEqual({
      name: 'orders',
      grant: 'client_credentials',
      authorizationServer: 'as',
      perCaller: false,
      state: 'none',
      obtaining: false,
      waiting: 0,
    });
  });

  test('tells its life from when it was asked for to its end, and when it is renewed', async () => {
    const started = await scene({ tokenConfig: { renew: { eager: true, before: '600s', hardMargin: '60s' } } });
    const { held, ...token } = tokenOf(await statusWhen(started, (status) => tokenOf(status).held !== undefined));
    expect(token).toMatchObject({ state: 'fresh', obtaining: false });
    const { obtainedAt, renewFrom, unusableFrom, expiresAt, lifetimeSeconds, secondsLeft, fingerprint } = held as HeldToken;
    const sinceThen = (instant: string) => Math.round((Date.parse(instant) - Date.parse(obtainedAt)) / 1000);
    expect([lifetimeSeconds, sinceThen(unusableFrom), sinceThen(expiresAt)]).toEqual([3600, 3540, 3600]);
    // Up to a minute earlier, by chance, so that replicas do not renew together.
    expect(sinceThen(renewFrom)).toBeGreaterThanOrEqual(2940);
    expect(sinceThen(renewFrom)).toBeLessThanOrEqual(3000);
    expect(sinceThen(token.nextRenewalAt as string)).toBe(sinceThen(renewFrom));
    expect(secondsLeft).toBeLessThanOrEqual(3600);
    expect(fingerprint).toMatch(/^[0-9a-f]{8}$/);
  });

  test('a token that nobody renews ahead has no next renewal', async () => {
    const started = await scene();
    await request(`${started.url()}/api/x`);
    const token = tokenOf(await statusOf(started));
    expect(token.state).toBe('fresh');
    expect(token).not.toHaveProperty('nextRenewalAt');
  });

  test('counts who waits while it is obtained', async () => {
    const started = await scene({ token: hang, serverConfig: { timeout: '20s' } });
    const abort = new AbortController();
    const waiting = [1, 2].map((n) => request(`${started.url()}/api/${n}`, { signal: abort.signal }).catch(() => undefined));
    const token = tokenOf(await statusWhen(started, (status) => tokenOf(status).waiting === 2));
    expect(token).toMatchObject({ state: 'none', obtaining: true });
    abort.abort();
    await Promise.all(waiting);
  });

  test('a failure is told by our code, not by what the server said, and stays told when the next grant succeeds', async () => {
    const started = await scene({ token: inTurn(oauthError('so_says_the_server'), tokenAnswer()) });
    await request(`${started.url()}/api/x`);
    const failed = await statusOf(started);
    expect(tokenOf(failed)).toMatchObject({ state: 'none', lastFailure: { code: 'TOKEN_REJECTED', at: expect.any(String) } });
    expect(JSON.stringify(failed)).not.toContain('so_says_the_server');
    const fields = { 'Token-Broker-Admin': '1' };
    await request(`${started.url('admin')}/tokens/orders/renew`, { method: 'POST', fields });
    const { held, lastFailure } = tokenOf(await statusOf(started));
    expect(lastFailure).toEqual(tokenOf(failed).lastFailure);
    expect(Date.parse(held?.obtainedAt as string)).toBeGreaterThanOrEqual(Date.parse(lastFailure?.at as string));
  });

  test('of tokens made from what callers bring, only their number is shown', async () => {
    const started = await scene({ tokenConfig: { grant: 'token_exchange', subject: 'caller' } });
    for (const name of ['one', 'two', 'two'])
      await request(`${started.url()}/api/x`, { fields: { Authorization: `Bearer token-of-${name}` } });
    const status = await statusOf(started);
    expect(status.tokens[0] as CallersTokenStatus).toEqual({
      name: 'orders',
      grant: 'token_exchange',
      authorizationServer: 'as',
      perCaller: true,
      callers: 2,
      waiting: 0,
    });
    expect(await (await fetch(`${started.url('admin')}/readyz?verbose`)).text()).toBe('ok\n');
  });
});

describe('the status of what is around', () => {
  test('a listener counts its connections', async () => {
    const started = await scene();
    const agent = keepAlive();
    await request(`${started.url()}/api/x`, { agent });
    expect((await statusOf(started)).listeners).toEqual([
      { name: 'local', serve: 'proxy', address: started.address(), connections: 1, draining: false },
    ]);
    agent.destroy();
  });

  test('an upstream counts its connections and, of the last minutes, its failures', async () => {
    const started = await scene({ origin: inTurn(answerWith(200, [], 'ok'), reset), route: { token: null, pool: { maxConnections: 3 } } });
    const [upstream] = (await statusOf(started)).upstreams;
    expect(upstream).toEqual({ route: 'api', origin: started.origin.url, open: 0, idle: 0, queued: 0, recentFailures: 0 });
    await request(`${started.url()}/api/x`);
    expect((await statusOf(started)).upstreams[0]).toMatchObject({ open: 1, idle: 1, queued: 0, recentFailures: 0 });
    const answer = await request(`${started.url()}/api/x`, { method: 'POST', body: 'x' });
    expect(answer.status).toBe(502);
    expect((await statusOf(started)).upstreams[0]).toMatchObject({
      open: 0,
      recentFailures: 1,
      lastFailure: { code: 'UPSTREAM_RESET', at: expect.any(String) },
    });
  });

  test('an answer that breaks off counts as a failure too, and a refused caller does not', async () => {
    const cut = 'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf';
    const started = await scene({
      origin: (_asked, connection) => {
        connection.socket.end(cut);
        return undefined;
      },
      route: { token: null },
    });
    expect((await request(`${started.url()}/api/x`)).complete).toBe(false);
    expect((await request(`${started.url()}/nowhere`)).status).toBe(404);
    const status = await statusWhen(started, ({ requestsInFlight }) => requestsInFlight === 0);
    expect(status.upstreams[0]).toMatchObject({ recentFailures: 1, lastFailure: { code: 'UPSTREAM_RESET' } });
  });

  test('a limit of ours in front of an upstream is no failure of the upstream', async () => {
    const started = await scene({ origin: hang, route: { token: null, pool: { maxConnections: 1, maxQueue: 0 } } });
    const abort = new AbortController();
    const waiting = request(`${started.url()}/api/x`, { signal: abort.signal }).catch(() => undefined);
    await statusWhen(started, ({ upstreams }) => upstreams[0]?.open === 1);
    expect((await request(`${started.url()}/api/x`)).json()).toMatchObject({ code: 'BROKER_OVERLOADED' });
    const [upstream] = (await statusOf(started)).upstreams;
    expect(upstream).toMatchObject({ open: 1, queued: 0, recentFailures: 0 });
    expect(upstream).not.toHaveProperty('lastFailure');
    abort.abort();
    await waiting;
  });

  test('an upstream is named without path, query and credentials', async () => {
    const started = await scene({ route: { upstream: 'https://api.example:8443/v1/hidden', token: null } });
    expect((await statusOf(started)).upstreams[0]?.origin).toBe('https://api.example:8443');
  });

  test('an authorization server whose endpoint is configured has no metadata; its breaker opens after five failures', async () => {
    const started = await scene({ token: () => answerWith(503, []) });
    expect((await statusOf(started)).authorizationServers).toEqual([{ name: 'as', breaker: 'closed' }]);
    await request(`${started.url()}/api/x`);
    const fields = { 'Token-Broker-Admin': '1' };
    await request(`${started.url('admin')}/tokens/orders/renew`, { method: 'POST', fields });
    const { authorizationServers, now } = await statusOf(started);
    expect(authorizationServers).toEqual([{ name: 'as', breaker: 'open', openUntil: expect.any(String) }]);
    expect(Date.parse(authorizationServers[0]?.openUntil as string)).toBeGreaterThan(Date.parse(now));
  });

  test('metadata is told by its age, and by whether the last try to read it failed; nothing of its content', async () => {
    let isUp = false;
    const discovered: ScriptedServer = await startScriptedServer({
      answer: ({ target }): string => {
        if (target.startsWith('/token')) return tokenAnswer();
        return isUp ? metadataAnswer(discovered.url) : answerWith(500, []);
      },
    });
    opened(discovered);
    const started = await scene({ config: { authorizationServers: { as: { issuer: discovered.url } } } });
    expect((await statusOf(started)).authorizationServers).toEqual([{ name: 'as', breaker: 'closed', metadata: { failing: false } }]);
    await request(`${started.url()}/api/x`);
    expect((await statusOf(started)).authorizationServers[0]?.metadata).toEqual({ failing: true });
    isUp = true;
    const fields = { 'Token-Broker-Admin': '1' };
    await request(`${started.url('admin')}/tokens/orders/renew`, { method: 'POST', fields });
    const status = await statusOf(started);
    expect(status.authorizationServers[0]?.metadata).toEqual({
      readAt: expect.any(String),
      ageSeconds: expect.any(Number),
      failing: false,
    });
    expect(JSON.stringify(status)).not.toContain('/token');
  });

  test('without a store there is memory', async () => {
    expect((await statusOf(await scene())).store).toEqual({ kind: 'memory', snapshot: false, state: 'working', unreadable: 0 });
  });

  test('a store that is lost is told with the time, and so is its return', async () => {
    const port = await freePort();
    const key = { unsafeInline: randomBytes(32).toString('base64') };
    const store = { redis: { url: { unsafeInline: `redis://127.0.0.1:${port}` } }, encryption: { keys: [{ id: 'k', key }] } };
    const started = await scene({ config: { store } });
    await request(`${started.url()}/api/x`);
    expect((await statusOf(started)).store).toEqual({
      kind: 'redis',
      snapshot: false,
      state: 'lost',
      lostAt: expect.any(String),
      unreadable: 0,
    });
    opened(await startRedis({ port }));
    await started.logged('store recovered');
    expect((await statusOf(started)).store).toEqual({ kind: 'redis', snapshot: false, state: 'working', unreadable: 0 });
  });

  test('L07 a changed file that cannot be used is named by its key until it can', async () => {
    const broker = opened(
      await startBrokerProcess({
        config: {
          listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
          routes: {
            api: {
              path: '/',
              callers: ['anonymous'],
              token: null,
              upstream: 'http://127.0.0.1:1',
              headers: { 'x-key': { fromFile: 'key' } },
            },
          },
        },
        files: { key: 'first' },
      }),
    );
    await broker.replace('key', '');
    await broker.logged('a changed file cannot be used: the old content stays');
    expect((await statusOf(broker)).unusableFiles).toEqual([
      { key: 'routes.api.headers.x-key.fromFile', otherKeys: [], at: expect.any(String) },
    ]);
    await broker.replace('key', 'second');
    expect((await statusWhen(broker, ({ unusableFiles }) => unusableFiles.length === 0)).phase).toBe('running');
  });
});

describe('who may read the status and the page', () => {
  test.each(['/', '/status'])('%s is for accepted names only: another site may have its name point here', async (path) => {
    const started = await scene({ config: { admin: { address: '127.0.0.1:0', hosts: ['admin.internal'] } } });
    const statusUnder = async (host: string) => (await request(`${started.url('admin')}${path}`, { fields: { Host: host } })).status;
    for (const host of ['localhost:9099', '127.0.0.1', '[::1]:1', 'Admin.Internal:9099']) expect(await statusUnder(host)).toBe(200);
    for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example']) expect(await statusUnder(host)).toBe(403);
    const { text } = await sendRaw(started.address('admin'), `GET ${path} HTTP/1.0\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 403 /);
  });

  test('probes and metrics answer under any name, as kubelet asks them', async () => {
    const started = await scene();
    for (const path of ['/livez', '/readyz', '/metrics'])
      expect((await request(`${started.url('admin')}${path}`, { fields: { Host: '10.1.2.3:9099' } })).status).toBe(200);
  });

  test('they are not on the probes address, and only to be read', async () => {
    const started = await scene({ config: { probes: { address: '127.0.0.1:0' } } });
    for (const path of ['/', '/status', '/status/', '/Status', '//status']) {
      const answer = await request(`${started.url('probes')}${path}`);
      expect([answer.status, answer.text()]).toEqual([404, 'not found; there are /livez, /readyz, /metrics\n']);
    }
    for (const path of ['/', '/status']) expect((await request(`${started.url('admin')}${path}`, { method: 'POST' })).status).toBe(405);
  });

  test('on a Unix socket any name is fine', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'token-broker-admin-'));
    await scene({ config: { admin: { address: `unix:${folder}/admin.sock` } } });
    const answer = await request('http://anything.example/status', { socketPath: `${folder}/admin.sock` });
    expect((answer.json() as BrokerStatus).format).toBe(1);
    await rm(folder, { recursive: true });
  });
});
