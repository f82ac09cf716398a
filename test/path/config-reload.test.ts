/** A config that changes while the broker serves: by `POST /reload`, SIGHUP or the file itself. */

import { once } from 'node:events';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { BrokerStatus } from '../../src/admin/status.ts';
import { Broker } from '../../src/broker.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { secretHash } from '../helpers/broker.ts';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { keepAlive, request } from '../helpers/http-client.ts';
import { Http2Caller } from '../helpers/http2-client.ts';
import { claimsAt, createSigningKey, startIssuer } from '../helpers/issuer.ts';
import { openRaw } from '../helpers/raw-client.ts';
import { answerWith, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedConnection, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const closed = closedAfterEach();

const ok: Script = () => answerWith(200, [], 'ok');
const server = async (answer: Script): Promise<ScriptedServer> => closed(await startScriptedServer({ answer }));

type Config = Record<string, unknown>;

/** Files are looked at every two seconds; what is asked for on the admin address happens at once. */
class Reloaded {
  readonly broker: BrokerProcess;
  config: Config;

  constructor(broker: BrokerProcess, config: Config) {
    this.broker = broker;
    this.config = config;
  }

  /** With other sections; 200 where it was taken over. */
  async reload(sections: Config): Promise<{ status: number; json: Config }> {
    this.config = { admin: { address: '127.0.0.1:0' }, ...this.config, ...sections };
    await this.broker.replace('sidecar.config.json', JSON.stringify(this.config));
    const answer = await this.post('/reload');
    return { status: answer.status, json: answer.json() as Config };
  }

  post(path: string) {
    return request(`${this.broker.url('admin')}${path}`, { method: 'POST', fields: { 'Token-Broker-Admin': '1' } });
  }

  async status(): Promise<BrokerStatus> {
    return (await request(`${this.broker.url('admin')}/status`)).json() as BrokerStatus;
  }

  async get(path: string): Promise<number> {
    return (await request(`${this.broker.url()}${path}`)).status;
  }
}

const LISTENERS = { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } };

async function start(config: Config, files: Record<string, string> = {}): Promise<Reloaded> {
  const whole = { listeners: LISTENERS, ...config };
  return new Reloaded(closed(await startBrokerProcess({ config: whole, files })), whole);
}

const route = (path: string, upstream: string, token: string | null = null): Config => ({
  path,
  callers: ['anonymous'],
  token,
  upstream,
});

function orders(authorizationServer: ScriptedServer, more: Config = {}): Config {
  return {
    authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
    tokens: {
      orders: {
        authorizationServer: 'as',
        grant: 'client_credentials',
        clientId: 'orders-sidecar',
        clientAuthentication: { secret: { unsafeInline: 'orders-secret' } },
        ...more,
      },
    },
  };
}

/** The token `orders`, by a refresh token that each answer replaces. */
const REFRESHING = {
  authorizationServer: 'as',
  grant: 'refresh_token',
  clientId: 'orders-sidecar',
  clientAuthentication: { method: 'none' },
  refreshToken: { unsafeInline: 'first' },
};

describe('a changed config', () => {
  test('is told in the status: when it was taken over, or that it cannot be used, while the beginning stays', async () => {
    const origin = await server(ok);
    const running = await start({ routes: { first: route('/first', origin.url) } });
    const status = () => running.status();
    const before = await status();
    expect(before.configuredAt >= before.startedAt).toBe(true);
    expect((await running.reload({ routes: { second: route('/second', origin.url) } })).status).toBe(200);
    const after = await status();
    expect(after.startedAt).toBe(before.startedAt);
    expect(after.uptimeSeconds).toBeGreaterThan(before.uptimeSeconds);
    expect(after.configuredAt > before.configuredAt).toBe(true);
    expect(after.upstreams.map(({ route: name }) => name)).toEqual(['second']);
    expect(after.listeners).toMatchObject([{ name: 'local', address: running.broker.address() }]);
    expect((await running.reload({ routes: { second: {} } })).status).toBe(422);
    const failed = await status();
    expect([after.reloadFailures, failed.reloadFailures]).toEqual([0, 1]);
    expect(failed).toMatchObject({ configuredAt: after.configuredAt, unusableFiles: [{ key: 'config', at: expect.any(String) }] });
    expect((await running.reload({ routes: { second: route('/second', origin.url) } })).status).toBe(200);
    expect((await status()).unusableFiles).toEqual([]);
  });

  test('L08 under load: a route comes, a route goes, a bad one changes nothing, and not one request fails', async () => {
    const authorizationServer = await server(() => tokenAnswer());
    const origin = await server(ok);
    const stays = route('/stays', origin.url, 'orders');
    const running = await start({ ...orders(authorizationServer), routes: { stays } });
    const agent = keepAlive(8);
    closed({ close: () => agent.destroy() });
    let over = false;
    const counts = new Map<string, number>();
    const load = Array.from({ length: 8 }, async () => {
      while (!over) {
        const found = await request(`${running.broker.url()}/stays/x`, { agent }).then(
          ({ status, complete }) => `${status} ${complete}`,
          (error: NodeJS.ErrnoException) => String(error.code),
        );
        counts.set(found, (counts.get(found) ?? 0) + 1);
      }
    });
    for (let i = 0; i < 5; i += 1) {
      expect(await running.reload({ routes: { stays, comes: route('/comes', origin.url) } })).toEqual({
        status: 200,
        json: { reloaded: true },
      });
      expect(await running.get('/comes')).toBe(200);
      expect((await running.reload({ routes: { stays } })).status).toBe(200);
      expect(await running.get('/comes')).toBe(404);
      const bad = await running.reload({ routes: { stays: { ...stays, upstreem: '' }, comes: route('/comes', origin.url) } });
      expect(bad.status).toBe(422);
      expect(bad.json).toEqual({
        reloaded: false,
        problems: [expect.stringMatching(/^sidecar\.config\.json:1:\d+: "routes\.stays\.upstreem" /)],
      });
      expect(await running.get('/comes')).toBe(404);
    }
    over = true;
    await Promise.all(load);
    expect([...counts.keys()]).toEqual(['200 true']);
    expect(authorizationServer.requests).toHaveLength(1);
    const metrics = (await request(`${running.broker.url('admin')}/metrics`)).text();
    expect(metrics).toContain('token_broker_file_reload_failures_total 5');
    const counted = /^token_broker_requests_total\{listener="local",route="stays",status="200",code=""\} (\d+)$/m.exec(metrics)?.[1];
    expect(Number(counted)).toBe(counts.get('200 true'));
  });

  test('L08 what was counted under names that are gone is forgotten once their config has drained, and all else goes on', async () => {
    const authorizationServer = await server(() => tokenAnswer());
    const origin = await server(ok);
    const listeners = { ...LISTENERS, other: LISTENERS.local };
    const stays = route('/stays', origin.url);
    const running = await start({
      ...orders(authorizationServer),
      listeners,
      routes: { stays, goes: route('/goes', origin.url, 'orders') },
    });
    expect([await running.get('/stays'), await running.get('/goes')]).toEqual([200, 200]);
    expect((await request(`${running.broker.url('other')}/stays`)).status).toBe(200);
    const metrics = async () => (await request(`${running.broker.url('admin')}/metrics`)).text();
    const gone = /(?:listener="other"|route="goes"|token="orders")/;
    expect((await metrics()).match(new RegExp(gone, 'g'))?.length).toBeGreaterThan(20);
    expect((await running.reload({ listeners: LISTENERS, tokens: {}, routes: { stays } })).status).toBe(200);
    await running.broker.logged('drained what the old config served');
    expect(await metrics()).not.toMatch(gone);
    expect(await running.get('/stays')).toBe(200);
    expect(await metrics()).toContain('token_broker_requests_total{listener="local",route="stays",status="200",code=""} 2\n');
  });

  test('L08 what a listener serves is another thing, and who may have a token another caller, from the next request on; the token is the same', async () => {
    const authorizationServer = await server(() => tokenAnswer());
    const origin = await server(ok);
    const routes = { api: route('/api', origin.url, 'orders') };
    const running = await start({ ...orders(authorizationServer), routes });
    expect([await running.get('/api'), await running.get('/tokens/orders')]).toEqual([200, 404]);
    const listeners = { local: { ...LISTENERS.local, serve: 'token-endpoint' } };
    expect((await running.reload({ ...orders(authorizationServer, { callers: ['anonymous'] }), listeners, routes: {} })).status).toBe(200);
    expect([await running.get('/api'), await running.get('/tokens/orders')]).toEqual([404, 200]);
    expect((await running.reload(orders(authorizationServer, { callers: ['*'] }))).status).toBe(200);
    expect(await running.get('/tokens/orders')).toBe(400);
    expect(authorizationServer.requests).toHaveLength(1);
  });

  test('L08 an answer that is on its way under the old config comes whole, also where its route and its listener are gone', async () => {
    const half: ScriptedConnection[] = [];
    const origin = await server((_request, connection) => {
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
      half.push(connection);
      return undefined;
    });
    const listeners = { ...LISTENERS, other: LISTENERS.local };
    const running = await start({ listeners, routes: { old: route('/old', origin.url) } });
    const client = await openRaw(running.broker.address('other'));
    client.write('GET /old HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await client.waitFor('half');
    const { port } = new URL(running.broker.url('other'));
    expect(await running.status()).toMatchObject({ earlierConfigs: 0 });
    expect((await running.reload({ listeners: LISTENERS, routes: {} })).status).toBe(200);
    expect(await running.status()).toMatchObject({ earlierConfigs: 1 });
    await expect(openRaw({ port: Number(port) })).rejects.toThrow('ECONNREFUSED');
    expect(await running.get('/old')).toBe(404);
    half[0]?.write('done');
    expect(await client.waitFor('halfdone')).toContain('HTTP/1.1 200 OK');
    await running.broker.logged('drained what the old config served', ({ cut }) => cut === 0);
    expect(await running.status()).toMatchObject({ earlierConfigs: 0 });
  });

  test('L08 a caller of HTTP/2 is told to connect anew, and its stream ends under the old config', async () => {
    const half: ScriptedConnection[] = [];
    const origin = await server((_request, connection) => {
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
      half.push(connection);
      return undefined;
    });
    const listeners = { local: { ...LISTENERS.local, protocols: ['http/1.1', 'h2c'] } };
    const running = await start({ listeners, routes: { old: route('/old', origin.url) } });
    const caller = new Http2Caller(running.broker.url());
    closed({ close: () => caller.session.destroy() });
    const asked = caller.ask({ path: '/old' });
    while (half.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    const goaway = once(caller.session, 'goaway');
    expect((await running.reload({ routes: {} })).status).toBe(200);
    expect(await goaway).toContain(0);
    half[0]?.write('done');
    expect(String((await asked).body)).toBe('halfdone');
    await caller.closed;
  });

  test('L08 a changed client secret serves the next grant; a token for another scope is another one', async () => {
    let grants = 0;
    const authorizationServer = await server(({ field }) => {
      grants += 1;
      const [, secret] = Buffer.from(String(field('authorization')[0]).slice(6), 'base64')
        .toString()
        .split(':');
      return tokenAnswer({ access_token: `token-${grants}-by-${secret}` });
    });
    const origin = await server(ok);
    const running = await start({ ...orders(authorizationServer), routes: { api: route('/', origin.url, 'orders') } });
    const sent = async () => {
      expect(await running.get('/x')).toBe(200);
      return origin.requests.at(-1)?.field('authorization')[0];
    };
    expect(await sent()).toBe('Bearer token-1-by-orders-secret');
    const secret = { clientAuthentication: { secret: { unsafeInline: 'other' } } };
    expect((await running.reload(orders(authorizationServer, secret))).status).toBe(200);
    expect(await sent()).toBe('Bearer token-1-by-orders-secret');
    await running.post('/tokens/orders/renew');
    expect(await sent()).toBe('Bearer token-2-by-other');
    expect((await running.reload(orders(authorizationServer, { ...secret, scope: 'more' }))).status).toBe(200);
    expect(await sent()).toBe('Bearer token-3-by-other');
  });

  test('a grant that is on its way when the config changes is the only one', async () => {
    const asked = Promise.withResolvers<ScriptedConnection>();
    const authorizationServer = await server((_request, connection) => {
      asked.resolve(connection);
      return undefined;
    });
    const origin = await server(ok);
    const running = await start({ ...orders(authorizationServer), routes: { api: route('/', origin.url, 'orders') } });
    const before = request(`${running.broker.url()}/before`);
    const connection = await asked.promise;
    expect((await running.reload({})).status).toBe(200);
    const after = request(`${running.broker.url()}/after`);
    connection.write(tokenAnswer());
    expect([(await before).status, (await after).status]).toEqual([200, 200]);
    expect(authorizationServer.requests).toHaveLength(1);
  });

  test('the token at hand is in a snapshot that is new, or sealed with another key, from then on', async () => {
    const origin = await server(ok);
    const authorizationServer = await server(() => tokenAnswer());
    const config = { ...orders(authorizationServer), routes: { api: route('/', origin.url, 'orders') } };
    const running = await start(config);
    expect(await running.get('/')).toBe(200);
    const sealedWith = (id: string, byte: number) => {
      const key = { id, key: { unsafeInline: Buffer.alloc(32, byte).toString('base64') } };
      return { store: { snapshot: join(running.broker.directory, 'tokens'), encryption: { keys: [key] } } };
    };
    expect((await running.reload(sealedWith('k1', 1))).status).toBe(200);
    expect((await running.reload(sealedWith('k2', 2))).status).toBe(200);
    await running.post('/quit');
    expect(await running.broker.exited).toEqual({ code: 0, signal: null });
    authorizationServer.answer = () => answerWith(503, []);
    expect(await (await start({ ...config, ...sealedWith('k2', 2) })).get('/')).toBe(200);
  });

  test('R11 a renewal that nobody waits for is heard to its end: its refresh token is the only one that is good', async () => {
    let good = 'first';
    let held: ScriptedConnection | undefined;
    const authorizationServer = await server(({ body, count }, connection) => {
      if (new URLSearchParams(body.toString()).get('refresh_token') !== good) return oauthError('invalid_grant');
      good = `${good}+`;
      if (count === 1) {
        held = connection;
        return undefined;
      }
      return tokenAnswer({ access_token: `token-${count}`, refresh_token: good });
    });
    const running = await start({ ...orders(authorizationServer), tokens: { orders: REFRESHING }, routes: {} });
    await authorizationServer.untilRequests(1);
    expect((await running.reload({ log: { level: 'debug' } })).status).toBe(200);
    held?.write(tokenAnswer({ access_token: 'token-1', refresh_token: good }));
    await running.broker.logged('drained what the old config served');
    expect((await running.post('/tokens/orders/renew')).status).toBe(200);
    expect(authorizationServer.requests).toHaveLength(2);
  });

  test('R11 nor is it lost when the broker stops: the file has the one that is good', async () => {
    const asked = Promise.withResolvers<ScriptedConnection>();
    const authorizationServer = await server((_request, connection) => {
      asked.resolve(connection);
      return undefined;
    });
    const folder = await mkdtemp(join(tmpdir(), 'token-broker-reload-'));
    closed({ close: () => rm(folder, { recursive: true }) });
    const tokens = {
      orders: {
        ...REFRESHING,
        persist: join(folder, 'orders'),
        persistKey: { unsafeInline: Buffer.alloc(32, 3).toString('base64') },
      },
    };
    const running = await start({ ...orders(authorizationServer), tokens, routes: {} });
    const connection = await asked.promise;
    running.broker.signal('SIGTERM');
    await running.broker.logged('draining');
    connection.write(tokenAnswer({ refresh_token: 'second' }));
    expect(await running.broker.exited).toEqual({ code: 0, signal: null });
    expect(await readdir(folder)).toEqual(['orders']);
  });

  test('B05 who has proven a password is known under the next config without another hash', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'token-broker-reload-'));
    closed({ close: () => rm(folder, { recursive: true }) });
    const file = join(folder, 'sidecar.config.json');
    const callers = { billing: { basic: { passwordHash: await secretHash() } } };
    const listeners = { local: { address: '127.0.0.1:0', authenticate: ['basic'] } };
    await writeFile(file, JSON.stringify({ listeners, callers, admin: { address: '127.0.0.1:0' } }));
    const authorization = `Basic ${Buffer.from('billing:secret').toString('base64')}`;
    const brokers: Broker[] = [];
    for (let count = 0; count < 2; count += 1) {
      const { config } = await loadConfig(file);
      brokers.push(closed(new Broker({ config, log: createLog('silent') })));
    }
    const [before, after] = brokers as [Broker, Broker];
    await before.start();
    await before.passwords.judge(authorization);
    await after.start(before);
    expect(after.passwords.judge(authorization)).toEqual({ name: 'billing', method: 'basic' });
  });

  test('T17 a token that was bound to a key of the broker does not go on as one that is not, nor the other way round', async () => {
    const authorizationServer = await server(({ field, count }) =>
      tokenAnswer({ access_token: `token-${count}`, token_type: field('dpop').length > 0 ? 'DPoP' : 'Bearer' }),
    );
    const origin = await server(ok);
    const running = await start({ ...orders(authorizationServer, { dpop: true }), routes: { api: route('/', origin.url, 'orders') } });
    const sent = async () => {
      expect(await running.get('/x')).toBe(200);
      return origin.requests.at(-1)?.field('authorization')[0];
    };
    expect(await sent()).toBe('DPoP token-1');
    expect((await running.reload(orders(authorizationServer))).status).toBe(200);
    expect(await sent()).toBe('Bearer token-2');
    expect((await running.reload({ ...orders(authorizationServer), log: { level: 'debug' } })).status).toBe(200);
    expect(await sent()).toBe('Bearer token-2');
    expect((await running.reload(orders(authorizationServer, { dpop: true }))).status).toBe(200);
    expect(await sent()).toBe('DPoP token-3');
  });

  test('a refresh token that has replaced the configured one goes on under the next config', async () => {
    let good = 'first';
    const authorizationServer = await server(({ body }) => {
      const given = new URLSearchParams(body.toString()).get('refresh_token');
      if (given !== good) return oauthError('invalid_grant');
      good = `${good}+`;
      return tokenAnswer({ access_token: `by-${given}`, refresh_token: good });
    });
    const origin = await server(ok);
    const running = await start({
      ...orders(authorizationServer),
      tokens: { orders: REFRESHING },
      routes: { api: route('/', origin.url, 'orders') },
    });
    expect(await running.get('/x')).toBe(200);
    expect((await running.reload({ log: { level: 'debug' } })).status).toBe(200);
    expect((await running.post('/tokens/orders/renew')).status).toBe(200);
    expect(await running.get('/x')).toBe(200);
    expect(origin.requests.map(({ field }) => field('authorization')[0])).toEqual(['Bearer by-first', 'Bearer by-first+']);
  });

  /** Each refresh token is good once, and leads to the next: `first`, `first+`, `first++`. */
  async function rotating(): Promise<{ authorizationServer: ScriptedServer; redeemed: () => (string | null)[] }> {
    let good = 'first';
    const given = (body: Buffer) => new URLSearchParams(body.toString()).get('refresh_token');
    const authorizationServer = await server(({ body }) => {
      if (given(body) !== good) return oauthError('invalid_grant');
      good = `${good}+`;
      return tokenAnswer({ access_token: `by-${given(body)}`, refresh_token: good });
    });
    return { authorizationServer, redeemed: () => authorizationServer.requests.map(({ body }) => given(body)) };
  }

  test('R11 it goes on also where the token that it is for has another scope by then, or another name', async () => {
    const { authorizationServer, redeemed } = await rotating();
    const origin = await server(ok);
    const through = (token: string) => ({ api: route('/', origin.url, token) });
    const running = await start({ ...orders(authorizationServer), tokens: { orders: REFRESHING }, routes: through('orders') });
    expect(await running.get('/x')).toBe(200);
    expect((await running.reload({ tokens: { orders: { ...REFRESHING, scope: 'more' } } })).status).toBe(200);
    expect(await running.get('/x')).toBe(200);
    expect((await running.reload({ tokens: { other: { ...REFRESHING, scope: 'more' } }, routes: through('other') })).status).toBe(200);
    expect(await running.get('/x')).toBe(200);
    expect(redeemed()).toEqual(['first', 'first+', 'first++']);
  });

  test('R11 such a token waits for the answer to the one that is on its way under the config before', async () => {
    const { authorizationServer, redeemed } = await rotating();
    const asked = Promise.withResolvers<ScriptedConnection>();
    const answer = authorizationServer.answer;
    const late = Promise.withResolvers<void>();
    authorizationServer.answer = async (request, connection) => {
      asked.resolve(connection);
      const answered = await answer(request, connection);
      await late.promise;
      return answered;
    };
    const running = await start({ ...orders(authorizationServer), tokens: { orders: REFRESHING }, routes: {} });
    await asked.promise;
    expect((await running.reload({ tokens: { orders: { ...REFRESHING, scope: 'more' } } })).status).toBe(200);
    late.resolve();
    await running.broker.logged('token granted', ({ scope }) => scope === 'more');
    expect(redeemed()).toEqual(['first', 'first+']);
  });

  test('R11 a file that the config names from now on has it at once: a restart goes on from there', async () => {
    const { authorizationServer, redeemed } = await rotating();
    const folder = await mkdtemp(join(tmpdir(), 'token-broker-reload-'));
    closed({ close: () => rm(folder, { recursive: true }) });
    const config = { ...orders(authorizationServer), tokens: { orders: REFRESHING }, routes: {} };
    const running = await start(config);
    await running.broker.logged('token granted');
    const persistKey = { unsafeInline: Buffer.alloc(32, 3).toString('base64') };
    const tokens = { orders: { ...REFRESHING, persist: join(folder, 'orders'), persistKey } };
    expect((await running.reload({ tokens })).status).toBe(200);
    while (!(await readdir(folder)).includes('orders')) await new Promise((resolve) => setTimeout(resolve, 10));
    await running.post('/quit');
    await running.broker.exited;
    await (await start({ ...config, tokens })).broker.logged('token granted');
    expect(redeemed()).toEqual(['first', 'first+']);
  });

  test('what it names may come later: it is tried again by itself', async () => {
    const authorizationServer = await server(() => tokenAnswer());
    const origin = await server(ok);
    const running = await start({ routes: {} });
    const secret = { clientAuthentication: { secret: { fromFile: 'later' } } };
    const answer = await running.reload({ ...orders(authorizationServer, secret), routes: { api: route('/', origin.url, 'orders') } });
    expect(answer.json).toEqual({ reloaded: false, problems: [expect.stringContaining('names a file that does not exist')] });
    await running.broker.replace('later', 'orders-secret');
    await running.broker.logged('config reloaded');
    expect(await running.get('/x')).toBe(200);
  });

  test('an address that cannot be bound leaves everything as it is', async () => {
    const origin = await server(ok);
    const taken = createServer();
    closed(taken);
    await new Promise<void>((resolve) => void taken.listen(0, '127.0.0.1', resolve));
    const { port } = taken.address() as { port: number };
    const running = await start({ routes: { api: route('/', origin.url) } });
    const answer = await running.reload({
      listeners: { ...LISTENERS, other: { ...LISTENERS.local, address: `127.0.0.1:${port}` } },
      routes: {},
    });
    expect(answer).toEqual({
      status: 422,
      json: { reloaded: false, problems: [expect.stringMatching(`the address "127.0.0.1:${port}" of listener "other" is in use`)] },
    });
    expect(await running.get('/x')).toBe(200);
  });

  test('a listener begins to speak TLS on the address that it has', async () => {
    const origin = await server(ok);
    const authority = await createAuthority();
    const { cert, key } = await authority.issueServer({ commonName: 'server' });
    const running = await start({ routes: { api: route('/', origin.url) } }, { cert, key });
    expect(await running.get('/x')).toBe(200);
    const tls = { cert: { fromFile: 'cert' }, key: { fromFile: 'key' } };
    expect((await running.reload({ listeners: { local: { ...LISTENERS.local, tls } } })).status).toBe(200);
    const url = running.broker.url('local', 'https');
    expect((await request(`${url}/x`, { tls: { ca: authority.certificate } })).status).toBe(200);
    const plain = await openRaw(running.broker.address());
    plain.write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(await plain.closed).not.toContain('200');
  });

  test('SIGHUP and a change of the file itself do the same as POST /reload', async () => {
    const origin = await server(ok);
    const running = await start({ routes: {} });
    const config = (path: string) =>
      JSON.stringify({ ...running.config, admin: { address: '127.0.0.1:0' }, routes: { api: route(path, origin.url) } });
    const reloads = () => running.broker.log().filter(({ msg }) => msg === 'config reloaded').length;
    await running.broker.replace('sidecar.config.json', config('/one'));
    running.broker.signal('SIGHUP');
    await running.broker.logged('config reloaded');
    expect(await running.get('/one')).toBe(200);
    const soFar = reloads();
    await running.broker.replace('sidecar.config.json', config('/two'));
    await running.broker.logged('config reloaded', () => reloads() > soFar);
    expect([await running.get('/one'), await running.get('/two')]).toEqual([404, 200]);
    await running.broker.replace('sidecar.config.json', '{');
    expect(await running.broker.logged('config problem')).toMatchObject({ at: expect.stringContaining('sidecar.config.json:1:2:') });
    await running.broker.logged('the changed config cannot be used: the old one stays');
    expect(await running.get('/two')).toBe(200);
  });

  test('a kept connection to the admin address does not stay with the old config', async () => {
    const origin = await server(ok);
    const running = await start({ ...orders(await server(() => tokenAnswer())), routes: { api: route('/', origin.url) } });
    const kept = await openRaw(running.broker.address('admin'));
    kept.write('GET /readyz?verbose HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await kept.waitFor('token orders');
    expect((await running.reload({ tokens: {}, authorizationServers: {} })).status).toBe(200);
    await kept.closed;
    expect((await request(`${running.broker.url('admin')}/readyz?verbose`)).text()).toBe('ok\n');
  });
});

describe('POST /quit', () => {
  test('answers, finishes what is in flight and ends the process with 0', async () => {
    const half = Promise.withResolvers<ScriptedConnection>();
    const origin = await server((_request, connection) => {
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
      half.resolve(connection);
      return undefined;
    });
    const running = await start({ routes: { api: route('/', origin.url) } });
    const inFlight = request(`${running.broker.url()}/x`);
    const connection = await half.promise;
    expect((await request(`${running.broker.url('admin')}/quit`, { method: 'POST' })).status).toBe(403);
    const answer = await running.post('/quit');
    expect([answer.status, answer.json()]).toEqual([202, { draining: true }]);
    connection.write('done');
    expect((await inFlight).text()).toBe('halfdone');
    expect(await running.broker.exited).toEqual({ code: 0, signal: null });
  });

  test('B05 callers with a JWT go on to be known while their issuer is away: what it had said of its keys is taken along', async () => {
    const key = await createSigningKey();
    const issuer = closed(await startIssuer([key.jwk]));
    const upstream = await server(ok);
    const jwt = { issuer: issuer.url, audience: 'token-broker', claims: { sub: 'batch-*' } };
    const config = {
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['jwt'] } },
      callers: { batch: { jwt } },
      routes: { api: { ...route('/api', upstream.url), callers: ['batch'] } },
    };
    const reloaded = await start(config);
    const call = async (signing = key) => {
      const authorization = `Bearer ${await signing.sign(claimsAt(Date.now(), issuer.url, { jti: String(Math.random()) }))}`;
      return (await request(`${reloaded.broker.url()}/api`, { fields: { authorization } })).status;
    };
    expect(await call()).toBe(200);
    issuer.answer = () => answerWith(503, []);
    expect((await reloaded.reload({ routes: { api: config.routes.api, more: { ...config.routes.api, path: '/more' } } })).status).toBe(200);
    expect(await call()).toBe(200);
    expect((await reloaded.reload({ callers: { batch: { jwt: { ...jwt, claims: { sub: 'other' } } } } })).status).toBe(200);
    expect(await call()).toBe(401);
  });
});
