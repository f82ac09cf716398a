/** A broker that was closed, whatever it was in the middle of, keeps neither its process nor its memory. */

import { once } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN } from '../helpers/broker.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import {
  type Config,
  expectEnd,
  expectEndOnceClosed,
  HANDSHAKE,
  startSilentServer,
  startToClose,
  startToReload,
} from '../helpers/closed-broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { keepAlive, request } from '../helpers/http-client.ts';
import { Http2Caller } from '../helpers/http2-client.ts';
import { claimsAt, createSigningKey } from '../helpers/issuer.ts';
import { openRaw } from '../helpers/raw-client.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, startScriptedServer } from '../helpers/scripted-server.ts';

const kept = closedAfterEach();

const start = async (config: Config) => kept(await startToClose(config));
const scripted = async (answer: Script) => kept(await startScriptedServer({ answer }));
const startSilent = async () => kept(await startSilentServer());

function routeTo(upstream: string, more: Config = {}): Config {
  return { routes: { api: { path: '/api', callers: ['anonymous'], token: null, upstream, ...more } } };
}

function tokenFrom(server: Config): Config {
  return { authorizationServers: { as: server }, tokens: { orders: { ...ORDERS_TOKEN, renew: { eager: true } } } };
}

function listen(more: Config): Config {
  return { listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'], ...more } } };
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
    kept({ close: () => agent.destroy() });
    expect((await request(`${broker.url()}/api`, { agent })).text()).toBe('ok');
    expect((await request(`${broker.url('admin')}/metrics`, { agent })).status).toBe(200);
    const half = await openRaw(broker.address());
    half.write('GET /api HTTP/1.1\r\nHos');
    const halfAsked = await openRaw(broker.address('admin'));
    halfAsked.write('GET /metrics HTTP/1.1\r\nHos');
    await expectEndOnceClosed(broker);
  });

  test('with an upload half-way, a tunnel open, a stream of HTTP/2, and a connection that has said nothing yet', async () => {
    const origin = await startScriptedServer({
      answer: () => undefined,
      onHead: (head) => (head.includes('pgrade:') ? 'HTTP/1.1 101 Go\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n' : undefined),
    });
    kept(origin);
    const broker = await start({ ...listen({ protocols: ['http/1.1', 'h2c'] }), ...routeTo(origin.url, { upgrade: true }) });
    await broker.logged('ready');
    const [uploading, tunnelling] = [await openRaw(broker.address()), await openRaw(broker.address()), await openRaw(broker.address())];
    uploading.write('POST /api HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nhalf');
    tunnelling.write('GET /api HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
    await tunnelling.waitFor('101');
    const caller = new Http2Caller(broker.url());
    caller.begin({ path: '/api/x' });
    await origin.until(({ connections }) => connections.length === 3);
    await expectEndOnceClosed(broker);
  });

  test('with a caller who has not finished the TLS handshake', async () => {
    const { cert, key } = await (await sharedAuthority()).issueServer();
    const broker = await start(
      listen({ limits: { headTimeout: '1s' }, tls: { cert: { unsafeInline: cert }, key: { unsafeInline: key } } }),
    );
    await broker.logged('ready');
    await openRaw(broker.address());
    // Accepted by now: connections are taken in turn.
    await expect(request(`${broker.url('local', 'https')}/api`, { tls: { rejectUnauthorized: false } })).resolves.toMatchObject({
      status: 404,
    });
    await expectEndOnceClosed(broker, HANDSHAKE);
  });

  test('while its address is in use by another', async () => {
    const { address } = await startSilent();
    await expectEnd(await start(listen({ address })));
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

  test('with the keys of an issuer being read, and a caller waiting for them', async () => {
    const silent = await startSilent();
    const asksForKeys = once(silent.server, 'connection');
    const jwt = { issuer: `http://${silent.address}`, audience: 'a', claims: { sub: '*' } };
    const origin = await scripted(() => answerWith(200, []));
    const broker = await start({
      ...listen({ authenticate: ['jwt'] }),
      callers: { batch: { jwt } },
      ...routeTo(origin.url, { callers: ['batch'] }),
    });
    await broker.logged('ready');
    await asksForKeys;
    const token = await (await createSigningKey()).sign(claimsAt(Date.now(), jwt.issuer));
    const asked = await openRaw(broker.address());
    asked.write(`GET /api HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    await expectEndOnceClosed(broker);
    expect(broker.log().filter(({ msg }) => msg === 'keys of an issuer cannot be read')).toEqual([]);
  });
});

test('a config that was followed by another leaves nothing of its broker behind', async () => {
  const authority = await sharedAuthority();
  const { cert, key } = await authority.issueServer();
  const [origin, authorizationServer] = [
    await scripted(() => answerWith(200, [], 'ok')),
    await scripted(() => tokenAnswer({ token_type: 'DPoP' })),
  ];
  const tls = {
    cert: { fromFile: 'tls.crt' },
    key: { fromFile: 'tls.key' },
    clientCa: { fromFile: 'ca.crt' },
    crl: { fromFile: 'ca.crl' },
  };
  const broker = kept(
    await startToReload(
      {
        listeners: {
          local: { address: '127.0.0.1:0', authenticate: ['anonymous'] },
          mesh: { address: '127.0.0.1:0', authenticate: ['mtls'], tls },
        },
        authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
        // What it is bound to goes on with it.
        tokens: { orders: { ...ORDERS_TOKEN, dpop: true } },
        ...routeTo(origin.url, { token: 'orders', upstreamTls: { ca: { fromFile: 'ca.crt' } } }),
      },
      { 'tls.crt': cert, 'tls.key': key, 'ca.crt': authority.certificate, 'ca.crl': await authority.revocationList([]) },
    ),
  );
  await broker.logged('ready');
  expect((await request(`${broker.url()}/api`)).text()).toBe('ok');
  broker.signal('SIGUSR2');
  expect(await broker.logged('reloaded')).toMatchObject({ had: 4, left: 1 });
  expect(await broker.exited).toEqual({ code: 0, signal: null });
});
