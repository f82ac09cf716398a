/** A config that changes again and again while something hangs: what stays of the configs before is bounded, and nobody is asked twice. */

import { describe, expect, test } from '@jest/globals';
import type { BrokerStatus } from '../../src/admin/status.ts';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { request } from '../helpers/http-client.ts';
import { openRaw, type RawConnection } from '../helpers/raw-client.ts';
import { answerWith, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedConnection, startScriptedServer } from '../helpers/scripted-server.ts';

const closed = closedAfterEach();

type Config = Record<string, unknown>;

const server = async (answer: Script) => closed(await startScriptedServer({ answer }));

async function start(config: Config): Promise<BrokerProcess> {
  return closed(await startBrokerProcess({ config: complete(config) }));
}

const complete = (config: Config): Config => ({
  admin: { address: '127.0.0.1:0' },
  listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
  ...config,
});

async function reload(broker: BrokerProcess, config: Config): Promise<void> {
  await broker.replace('sidecar.config.json', JSON.stringify(complete(config)));
  const answer = await request(`${broker.url('admin')}/reload`, { method: 'POST', fields: { 'Token-Broker-Admin': '1' } });
  expect(answer.json()).toEqual({ reloaded: true });
}

const earlierConfigs = async (broker: BrokerProcess) =>
  ((await request(`${broker.url('admin')}/status`)).json() as BrokerStatus).earlierConfigs;

/** Resolves when this many earlier configs have ended. */
const drained = (broker: BrokerProcess, count: number) => {
  const ended = () => broker.log().filter(({ msg }) => msg === 'drained what the old config served').length;
  return broker.logged('drained what the old config served', () => ended() >= count);
};

/** An authorization server that answers its first request when it is told to, and an answer for all others. */
async function hangingFirst(answer: Script) {
  const first = Promise.withResolvers<ScriptedConnection>();
  const authorizationServer = await server((asked, connection) => {
    if (asked.count > 1) return answer(asked, connection);
    first.resolve(connection);
    return undefined;
  });
  const asks = (token: Config): Config => ({
    authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
    tokens: { orders: { authorizationServer: 'as', clientId: 'orders-sidecar', ...token } },
  });
  const redeemed = () => authorizationServer.requests.map(({ body }) => new URLSearchParams(body.toString()).get('refresh_token'));
  return { authorizationServer, first: first.promise, asks, redeemed };
}

const CLIENT_CREDENTIALS = { grant: 'client_credentials', clientAuthentication: { secret: { unsafeInline: 'orders-secret' } } };
const REFRESHING = { grant: 'refresh_token', clientAuthentication: { method: 'none' }, refreshToken: { unsafeInline: 'first' } };

describe('while the authorization server hangs', () => {
  test('L08 a dozen reloads make no other grant, keep no config but the one that waits, and the newest asks when that one is refused', async () => {
    const { authorizationServer, first, asks } = await hangingFirst(() => tokenAnswer());
    const origin = await server(() => answerWith(200, [], 'ok'));
    const api = { path: '/', callers: ['anonymous'], token: 'orders', upstream: origin.url };
    const config = { ...asks(CLIENT_CREDENTIALS), routes: { api } };
    const broker = await start(config);
    const connection = await first;
    for (let count = 0; count < 12; count += 1) await reload(broker, config);
    await drained(broker, 11);
    expect(await earlierConfigs(broker)).toBe(1);
    expect(authorizationServer.requests).toHaveLength(1);
    connection.write(oauthError('invalid_client'));
    await drained(broker, 12);
    expect((await request(`${broker.url()}/x`)).status).toBe(200);
    expect(authorizationServer.requests).toHaveLength(2);
  });

  test('R11 nor does a refresh token that all of them use go out for those between: only the newest redeems what has replaced it', async () => {
    const { first, asks, redeemed } = await hangingFirst(() => tokenAnswer({ refresh_token: 'third' }));
    const config = (scope: string) => asks({ ...REFRESHING, scope });
    const broker = await start(config('scope-0'));
    const connection = await first;
    for (let count = 1; count <= 6; count += 1) await reload(broker, config(`scope-${count}`));
    await drained(broker, 5);
    expect(await earlierConfigs(broker)).toBe(1);
    connection.write(tokenAnswer({ refresh_token: 'second' }));
    await broker.logged('token granted', ({ scope }) => scope === 'scope-6');
    await drained(broker, 6);
    expect(redeemed()).toEqual(['first', 'second']);
    expect(broker.log().filter(({ msg }) => msg === 'token not granted')).toEqual([]);
  });
});

describe('while answers do not end', () => {
  /** One caller for each config, in the middle of its answer. */
  async function streaming(config: Config) {
    const halves: ScriptedConnection[] = [];
    const origin = await server((_request, connection) => {
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
      halves.push(connection);
      return undefined;
    });
    const whole = { ...config, routes: { api: { path: '/', callers: ['anonymous'], token: null, upstream: origin.url } } };
    const broker = await start(whole);
    const call = async (): Promise<RawConnection> => {
      const caller = await openRaw(broker.address());
      caller.write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await caller.waitFor('half');
      return caller;
    };
    return { broker, call, halves, whole };
  }

  test('L04 fifty configs of before are kept for them; of more, the oldest is cut before its grace is over', async () => {
    const { broker, call, halves, whole } = await streaming({ shutdown: { grace: '10m' } });
    const callers: RawConnection[] = [];
    for (let count = 0; count < 51; count += 1) {
      callers.push(await call());
      await reload(broker, whole);
    }
    await callers[0]?.closed;
    await broker.logged('drained what the old config served', ({ cut }) => cut === 1);
    expect(await earlierConfigs(broker)).toBe(50);
    for (const half of halves) half.write('done');
    for (const caller of callers.slice(1)) await caller.waitFor('halfdone');
    await drained(broker, 51);
    expect(callers[0]?.text()).toMatch(/half$/);
  });

  test('L04 SIGTERM cuts those of a config of before, too, when the grace of the newest is over', async () => {
    const { broker, call, whole } = await streaming({ shutdown: { grace: '10m' } });
    const caller = await call();
    await reload(broker, { ...whole, shutdown: { grace: '200ms' } });
    broker.signal('SIGTERM');
    expect(await broker.exited).toEqual({ code: 1, signal: null });
    await caller.closed;
  });
});
