/** A client that enrols itself (RFC 7591): once, kept in a file, and anew only when it must be. */

import { createPublicKey, generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AuthorizationServer } from '../../src/authorization-server/authorization-server.ts';
import { type Clock, systemClock } from '../../src/clock.ts';
import { authorizationServer as serverSchema } from '../../src/config/schema/authorization-servers.ts';
import { token as tokenSchema } from '../../src/config/schema/tokens.ts';
import type { Secret } from '../../src/config/secret.ts';
import { CLIENTS, startAuthorizationServer } from '../helpers/authorization-server.ts';
import { ORDERS_TOKEN, startBroker, type TestBroker } from '../helpers/broker.ts';
import { createCanaries } from '../helpers/canaries.ts';
import { createSelfSigned } from '../helpers/certificates.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { grantOf } from '../helpers/grant.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, jsonAnswer, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedRequest, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const KEY = randomBytes(32).toString('base64');
const SIGNING_KEY = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
const closing: { close(): Promise<unknown> }[] = [];
let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-registration-'));
  file = join(folder, 'kept');
});
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
  await rm(folder, { recursive: true, force: true });
});

/** A source of tokens, as a broker that has just started has it. */
function start(server: Record<string, unknown>, registration: Record<string, unknown> = {}, more: Record<string, unknown> = {}) {
  const clock = new FakeClock();
  return { clock, ...startAt(clock, server, registration, more) };
}

function startAt(clock: Clock, server: Record<string, unknown>, registration: Record<string, unknown>, more: Record<string, unknown>) {
  const authorizationServer = new AuthorizationServer(serverSchema.parse(server), clock);
  closing.push(authorizationServer);
  const events: string[] = [];
  const config = tokenSchema.parse({
    authorizationServer: 'as',
    grant: 'client_credentials',
    registration: { persist: file, persistKey: { unsafeInline: KEY }, ...registration },
    ...more,
  });
  const source = grantOf(config, authorizationServer, clock, events);
  return { config, events, get: async () => (await source.get()).reveal() };
}

interface Registering extends ScriptedServer {
  /** What was registered, in order. */
  registrations(): ScriptedRequest[];
  readonly at: Record<string, unknown>;
}

/** Gives client `c1` with secret `s1`, then `c2`, …; `registers` replaces members of that answer, `accepts` says which client is known. */
async function registering(
  options: { readonly registers?: (count: number) => object; readonly accepts?: (clientId: string) => boolean } = {},
): Promise<Registering> {
  let count = 0;
  const server = await startScriptedServer({
    answer: ({ target, field }) => {
      if (target === '/register') {
        count += 1;
        return jsonAnswer(201, {
          client_id: `c${count}`,
          client_secret: `s${count}`,
          client_secret_expires_at: 0,
          ...options.registers?.(count),
        });
      }
      const [id = '', secret = ''] = Buffer.from(field('authorization')[0]?.slice(6) ?? '', 'base64')
        .toString()
        .split(':');
      const isKnown = secret === id.replace('c', 's') && (options.accepts?.(id) ?? true);
      return isKnown ? tokenAnswer({ access_token: `token-of-${id}` }) : oauthError('invalid_client', 401);
    },
  });
  closing.push(server);
  return Object.assign(server, {
    registrations: () => server.requests.filter(({ target }) => target === '/register'),
    at: { tokenEndpoint: `${server.url}/token`, registrationEndpoint: `${server.url}/register` },
  });
}

/** A whole broker, which gives the token of that client back. */
async function startRevoking({ url, at }: Registering, registration: Record<string, unknown> = {}): Promise<TestBroker> {
  const broker = await startBroker({
    authorizationServers: { as: { ...at, revocationEndpoint: `${url}/revoke` } },
    tokens: {
      orders: {
        ...ORDERS_TOKEN,
        clientId: undefined,
        clientAuthentication: undefined,
        registration: { persist: file, persistKey: { unsafeInline: KEY }, ...registration },
        revokeOnShutdown: true,
        renew: { eager: false, minInterval: '1ms' },
      },
    },
    routes: { api: { path: '/api', callers: ['anonymous'], token: 'orders', upstream: 'http://127.0.0.1:1' } },
  });
  closing.push(broker);
  return broker;
}

const act = (broker: TestBroker, action: 'renew' | 'purge') =>
  request(`${broker.url('admin')}/tokens/orders/${action}`, { method: 'POST', fields: { 'Token-Broker-Admin': '1' } });

describe('a client that registers itself', () => {
  test('T05 does so anew for no password that a silent 401 may be about, once client and password were good', async () => {
    let refuses = false;
    const server = await registering();
    const answer = server.answer;
    server.answer = (asked, connection) =>
      asked.target === '/token' && (refuses || asked.body.includes('wrong')) ? answerWith(401, []) : answer(asked, connection);
    const resourceOwner = { username: 'u', password: { unsafeInline: 'p' } };
    const { get, config, events } = start(server.at, {}, { grant: 'password', resourceOwner });
    const owner = (config as unknown as { resourceOwner: { password: Secret } }).resourceOwner;
    await get();
    owner.password.fill('wrong');
    for (let i = 0; i < 3; i += 1) await expect(get()).rejects.toMatchObject({ resourceOwnerInDoubt: true });
    expect(events).toEqual(['registered: none kept']);
    owner.password.fill('right');
    await get();
    refuses = true;
    await expect(get()).rejects.toMatchObject({ resourceOwnerInDoubt: true });
    refuses = false;
    await get();
    expect(events).toEqual(['registered: none kept', 'registered: refused']);
    const passwords = server.requests
      .filter(({ target }) => target === '/token')
      .map(({ body }) => new URLSearchParams(body.toString()).get('password'));
    expect(passwords).toEqual(['p', 'wrong', 'wrong', 'wrong', 'right', 'right', 'right']);
  });

  test.each([
    ['client_secret_basic', {}],
    ['client_secret_post', {}],
    ['client_secret_jwt', {}],
    ['private_key_jwt', { key: { unsafeInline: SIGNING_KEY }, kid: 'key-1' }],
  ])('does so once at a real server over TLS and obtains tokens by %s, also after a restart', async (method, more) => {
    const server = await startAuthorizationServer({ clients: [CLIENTS.orders], registrationToken: 'initial-token' });
    closing.push(server);
    const at = { issuer: server.issuer, tls: { ca: server.ca } };
    const config = { clientAuthentication: { method, ...more }, initialAccessToken: { unsafeInline: 'initial-token' } };
    const before = startAt(systemClock, at, config, { scope: 'orders.read' });
    await before.get();
    await before.get();
    const after = startAt(systemClock, at, config, { scope: 'orders.read' });
    expect(await after.get()).toBe(server.issued.at(-1));
    expect([before.events, after.events]).toEqual([['registered: none kept'], []]);
    expect(new Set(server.requests.map(({ clientId, clientAuthentication }) => `${clientId} ${clientAuthentication}`)).size).toBe(1);
    expect(server.requests[0]).toMatchObject({ clientAuthentication: method, scope: 'orders.read', status: 200 });
  });

  test('sends its metadata with the initial access token; what the config says of it wins, null leaves it out', async () => {
    const server = await registering();
    const { get } = start(
      server.at,
      {
        clientAuthentication: { method: 'private_key_jwt', key: { unsafeInline: SIGNING_KEY }, kid: 'key-1' },
        initialAccessToken: { unsafeInline: 'initial-token' },
        metadata: { client_name: 'orders of acme', redirect_uris: null, contacts: ['ops@acme.example'] },
      },
      { scope: 'orders.read' },
    );
    await get().catch(() => undefined);
    const [sent] = server.registrations();
    expect(sent?.method).toBe('POST');
    expect(sent?.field('authorization')).toEqual(['Bearer initial-token']);
    expect(sent?.field('content-type')).toEqual(['application/json']);
    expect(JSON.parse(String(sent?.body))).toEqual({
      client_name: 'orders of acme',
      contacts: ['ops@acme.example'],
      grant_types: ['client_credentials'],
      response_types: [],
      scope: 'orders.read',
      token_endpoint_auth_method: 'private_key_jwt',
      token_endpoint_auth_signing_alg: 'ES256',
      jwks: { keys: [{ ...createPublicKey(SIGNING_KEY).export({ format: 'jwk' }), alg: 'ES256', use: 'sig', kid: 'key-1' }] },
    });
  });

  test('keeps it in a file of mode 0600 that says nothing to who reads it', async () => {
    const canaries = createCanaries();
    const secret = canaries.plant('secret');
    const clientId = canaries.plant('client');
    const server = await startScriptedServer({
      answer: ({ target }) => (target === '/register' ? jsonAnswer(201, { client_id: clientId, client_secret: secret }) : tokenAnswer()),
    });
    closing.push(server);
    await start({ tokenEndpoint: `${server.url}/token`, registrationEndpoint: `${server.url}/register` }).get();
    expect((await stat(file)).mode & 0o777).toBe(0o600);
    expect(canaries.find(await readFile(file))).toEqual([]);
  });

  test.each([
    ['a damaged file', async () => writeFile(file, '1.damaged'), {}],
    ['a file of another key', async () => undefined, { persistKey: { unsafeInline: randomBytes(32).toString('base64') } }],
  ])('%s is told, and leads to a new registration', async (_what, damage, more) => {
    const server = await registering();
    await start(server.at).get();
    await damage();
    const after = start(server.at, more);
    expect(await after.get()).toBe('token-of-c2');
    expect(after.events).toEqual(['unreadable: is damaged, or was written with another key', 'registered: none kept']);
  });

  test('a lost file, and changed metadata, lead to a new registration', async () => {
    const server = await registering();
    await start(server.at).get();
    await rm(file);
    const lost = start(server.at);
    const changed = start(server.at, { metadata: { client_name: 'another' } });
    expect([await lost.get(), await changed.get()]).toEqual(['token-of-c2', 'token-of-c3']);
    expect([lost.events, changed.events]).toEqual([['registered: none kept'], ['registered: config changed']]);
  });

  test('a file that cannot be written is told; the client is used all the same', async () => {
    const server = await registering();
    const { get, events } = start(server.at, { persist: join(folder, 'missing', 'kept') });
    expect([await get(), await get()]).toEqual(['token-of-c1', 'token-of-c1']);
    expect(events).toEqual(['not persisted: ENOENT', 'registered: none kept']);
  });

  test('is registered anew when its secret ends', async () => {
    const endsAt = new FakeClock().now() / 1000 + 3600;
    const server = await registering({ registers: (count) => ({ client_secret_expires_at: count === 1 ? endsAt : 0 }) });
    const { clock, get, events } = start(server.at);
    await get();
    await clock.advance(3_500_000);
    expect(await get()).toBe('token-of-c1');
    await clock.advance(50_000);
    expect(await get()).toBe('token-of-c2');
    expect(events).toEqual(['registered: none kept', 'registered: secret ended']);
  });

  test('is registered anew once when the server refuses it, and then not again for a minute, then two', async () => {
    let known = 'c1';
    const server = await registering({ accepts: (clientId) => clientId === known });
    const { clock, get, events } = start(server.at);
    await get();
    known = 'c2';
    expect(await get()).toBe('token-of-c2');
    known = 'nobody';
    for (const [waitMs, registered] of [
      [0, 2],
      [59_000, 2],
      [1_000, 3],
      [119_000, 3],
      [1_000, 4],
    ] as const) {
      await clock.advance(waitMs);
      await expect(get()).rejects.toMatchObject({ reason: 'invalid_client' });
      expect(server.registrations()).toHaveLength(registered);
    }
    expect(events.slice(1)).toEqual(['registered: refused', 'registered: refused', 'registered: refused']);
  });

  test('is registered anew also where its tokens are bound to a certificate', async () => {
    const { cert, key } = await createSelfSigned({ commonName: 'orders' });
    let known = 'c1';
    const server = await registering({ accepts: (clientId) => clientId === known });
    const certificateBound = { certificate: { unsafeInline: cert }, key: { unsafeInline: key } };
    const { get } = start(server.at, {}, { certificateBound });
    await get();
    known = 'c2';
    expect(await get()).toBe('token-of-c2');
  });

  test('is registered once for grants of many callers at the same time, and anew once when the server has lost it', async () => {
    let known = 'c1';
    const server = await registering({ accepts: (clientId) => clientId === known });
    const { get, events } = start(server.at);
    const all = () => Promise.all(Array.from({ length: 5 }, get));
    expect(await all()).toEqual(Array(5).fill('token-of-c1'));
    known = 'c2';
    expect(await all()).toEqual(Array(5).fill('token-of-c2'));
    expect(server.registrations()).toHaveLength(2);
    expect(events).toEqual(['registered: none kept', 'registered: refused']);
  });

  test.each([
    ['503', () => answerWith(503, ['Retry-After: 7']), 'transient', 'registration_http_503'],
    ['a refusal', () => oauthError('invalid_client_metadata'), 'permanent', 'registration_invalid_client_metadata'],
    ['a refused initial access token', () => oauthError('invalid_token', 401), 'permanent', 'registration_invalid_token'],
    ['no client id', () => jsonAnswer(201, { client_secret: 's' }), 'nonsense', 'registration_answer_incomplete'],
    ['no secret', () => jsonAnswer(201, { client_id: 'c' }), 'nonsense', 'registration_answer_incomplete'],
    [
      'another method',
      () => jsonAnswer(201, { client_id: 'c', client_secret: 's', token_endpoint_auth_method: 'none' }),
      'nonsense',
      'registration_method_unexpected',
    ],
    ['no JSON', () => answerWith(201, [], '<html>'), 'transient', 'registration_answer_unreadable'],
  ])(
    'a registration answered with %s is one failure of its class, and no token is asked for',
    async (_what, answer, failureClass, reason) => {
      const server = await startScriptedServer({ answer: () => answer() });
      closing.push(server);
      const { get } = start({ tokenEndpoint: `${server.url}/token`, registrationEndpoint: `${server.url}/register` });
      await expect(get()).rejects.toMatchObject({ failureClass, reason });
      expect(server.requests.map(({ target }) => target)).toEqual(['/register']);
    },
  );

  test('a server without the endpoint is a permanent failure', async () => {
    const { get } = start({ tokenEndpoint: 'http://127.0.0.1:1/token' });
    await expect(get()).rejects.toMatchObject({ failureClass: 'permanent', reason: 'registration_endpoint_missing' });
  });

  test('a token is given back by the client of now, also when that is not the first', async () => {
    let known = 'c1';
    const server = await registering({ accepts: (clientId) => clientId === known });
    const broker = await startRevoking(server);
    await act(broker, 'renew');
    await act(broker, 'purge');
    known = 'c2';
    expect((await act(broker, 'renew')).status).toBe(200);
    await act(broker, 'purge');
    expect(broker.log.filter(({ msg }) => msg === 'token revoked')).toHaveLength(2);
    expect(server.requests.at(-1)?.field('authorization')).toEqual([`Basic ${Buffer.from('c2:s2').toString('base64')}`]);
  });

  test('is not registered anew because the server does not let it give a token back', async () => {
    const server = await registering();
    const answer = server.answer;
    server.answer = (asked, connection) => (asked.target === '/revoke' ? oauthError('invalid_client', 401) : answer(asked, connection));
    const broker = await startRevoking(server);
    for (const action of ['renew', 'purge', 'renew'] as const) await act(broker, action);
    expect(await broker.logged('token not revoked: good until it ends')).toMatchObject({ reason: 'invalid_client' });
    expect(server.requests.map(({ target }) => target)).toEqual(['/register', '/token', '/revoke', '/token']);
  });

  test('its token is given back by the same client, and no secret is in the log', async () => {
    const server = await registering();
    const broker = await startRevoking(server, { initialAccessToken: { unsafeInline: 'initial-token' } });
    await request(`${broker.url()}/api/x`);
    expect(await broker.logged('client registered')).toMatchObject({ token: 'orders', clientId: 'c1', reason: 'none kept' });
    await broker.broker.drain();
    expect(await broker.logged('token revoked')).toMatchObject({ token: 'orders' });
    expect(server.requests.map(({ target, field }) => [target, field('authorization')[0]])).toEqual([
      ['/register', 'Bearer initial-token'],
      ['/token', `Basic ${Buffer.from('c1:s1').toString('base64')}`],
      ['/revoke', `Basic ${Buffer.from('c1:s1').toString('base64')}`],
    ]);
    expect(JSON.stringify(broker.log)).not.toMatch(/initial-token|"s1"|token-of-c1/);
  });
});
