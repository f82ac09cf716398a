/** DPoP tokens (RFC 9449) from a real authorization server to an upstream that verifies every proof. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { startAuthorizationServer, type TestAuthorizationServer } from '../helpers/authorization-server.ts';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { type ResourceServer, startResourceServer } from '../helpers/resource-server.ts';
import { answerWith, inTurn, reset } from '../helpers/scripted-answers.ts';

const RESOURCE = 'https://orders.acme.example';

let authorizationServer: TestAuthorizationServer;
let upstream: ResourceServer;
let broker: TestBroker;
afterEach(() => Promise.all([broker.close(), authorizationServer.close(), upstream.close()]));

interface Options {
  readonly route?: Record<string, unknown>;
  /** The path of the upstream. */
  readonly base?: string;
  readonly origin?: string;
  readonly tokens?: readonly string[];
}

async function start({ route = {}, base = '', origin, tokens = ['orders'] }: Options = {}): Promise<void> {
  const clients = tokens.map((name) => ({
    clientId: name,
    secret: 'the secret of a client',
    clientAuthentication: 'client_secret_jwt' as const,
    grants: ['client_credentials' as const],
  }));
  authorizationServer = await startAuthorizationServer({ clients, dpopNonce: true });
  const { issuer, ca } = authorizationServer;
  upstream = await startResourceServer({ issuer, ca, ...(origin === undefined ? {} : { origin }) });
  const clientAuthentication = { method: 'client_secret_jwt', secret: { unsafeInline: 'the secret of a client' } };
  const shared = {
    authorizationServer: 'as',
    grant: 'client_credentials',
    clientAuthentication,
    resource: RESOURCE,
    renew: { eager: false },
  };
  broker = await startBroker({
    authorizationServers: { as: { issuer, tls: { ca } } },
    tokens: Object.fromEntries(tokens.map((name) => [name, { ...shared, clientId: name, dpop: true }])),
    routes: Object.fromEntries(
      tokens.map((name) => [name, { path: `/${name}`, callers: ['anonymous'], token: name, upstream: upstream.url + base, ...route }]),
    ),
  });
}

const call = (target = '/orders/x', options: Parameters<typeof request>[1] = {}) => request(`${broker.url()}${target}`, options);
const faults = () => upstream.visits.map((visit) => visit.fault);
const asked = () => authorizationServer.requests.map(({ status, error }) => [status, error]);

describe('a DPoP token', () => {
  test('T17 the nonce challenge of the authorization server is answered once, within the same attempt, with fresh proof and assertion', async () => {
    await start();
    expect((await call()).status).toBe(200);
    // The server refuses a proof or an assertion that it has seen before.
    expect(asked()).toEqual([
      [400, 'use_dpop_nonce'],
      [200, undefined],
    ]);
    expect(await broker.metrics()).not.toMatch(/grants_total\{[^}]*outcome="(?!granted)[^}]*\} [1-9]/);
  });

  test('T17 the nonce challenge of the upstream is one resend with a fresh proof, and no renewal', async () => {
    await start();
    upstream.nonce = 'n-1';
    const answer = await call();
    expect([answer.status, answer.text(), answer.field('dpop-nonce')]).toEqual([200, 'ok', undefined]);
    expect(faults()).toEqual(['nonce', undefined]);
    await call();
    // It was remembered; nobody asked for another token.
    expect(faults()).toEqual(['nonce', undefined, undefined]);
    expect(authorizationServer.grants()).toBe(1);
  });

  test('T17 a nonce in an answer that is no challenge is used by the next request', async () => {
    await start();
    upstream.nonce = 'n-1';
    await call();
    upstream.rotateNonce = true;
    for (let i = 0; i < 3; i += 1) expect((await call()).status).toBe(200);
    expect(faults()).toEqual(['nonce', undefined, undefined, undefined, undefined]);
    expect(new Set(upstream.visits.map(({ proof }) => proof?.['nonce'])).size).toBe(4);
  });

  test('T17 each request has a proof of its own, for its method, its address and its token', async () => {
    await start({ base: '/v1' });
    for (const method of ['GET', 'POST', 'PURGE']) expect((await call('/orders/a%2Fb?q=1&x=%3F', { method })).status).toBe(200);
    expect(upstream.visits.map(({ proof, target }) => [proof?.['htm'], proof?.['htu'], target])).toEqual(
      ['GET', 'POST', 'PURGE'].map((method) => [method, `${upstream.url}/v1/a%2Fb`, '/v1/a%2Fb?q=1&x=%3F']),
    );
    expect(new Set(upstream.visits.map(({ proof }) => proof?.['jti'])).size).toBe(3);
  });

  test('T17 the address in the proof is the one that the upstream is called by', async () => {
    await start({ route: { hostHeader: 'Orders.acme.example:80' }, origin: 'http://orders.acme.example' });
    expect([(await call()).status, faults()]).toEqual([200, [undefined]]);
  });

  test('T17 a proof of the caller never passes, however it is spelled', async () => {
    await start();
    const answer = await call('/orders/x', { fields: ['DPoP', 'forged', 'dpop_', 'forged', 'DPoP-', 'forged', 'dpop.', 'forged'] });
    expect(answer.status).toBe(200);
    expect(upstream.received().toString()).not.toContain('forged');
  });

  test('T17 each token has a key of its own, and keeps it', async () => {
    await start({ tokens: ['orders', 'ledger'] });
    const keys = async (name: string) => {
      expect((await call(`/${name}/x`)).status).toBe(200);
      return upstream.requests.at(-1)?.field('dpop')[0]?.split('.')[0];
    };
    const [orders, ledger, again] = [await keys('orders'), await keys('ledger'), await keys('orders')];
    expect(orders).toBe(again);
    expect(orders).not.toBe(ledger);
  });

  test('T17 a refused token is renewed and the request sent again, with a proof for the new one and the body as it was', async () => {
    await start();
    await call();
    upstream.revoked.add(upstream.visits[0]?.token as string);
    upstream.nonce = 'n-1';
    const answer = await call('/orders/x', { method: 'POST', body: 'the body' });
    expect([answer.status, answer.field('dpop-nonce')]).toEqual([200, undefined]);
    expect(faults()).toEqual([undefined, 'revoked', undefined]);
    expect(upstream.requests.slice(1).map(({ body }) => body.toString())).toEqual(['the body', 'the body']);
    expect(authorizationServer.grants()).toBe(2);
  });

  test('T17 with a body beyond the buffer the challenge is passed on, and the next request has the nonce', async () => {
    await start({ route: { replayBuffer: '1KiB' } });
    upstream.nonce = 'n-1';
    const answer = await call('/orders/x', { method: 'POST', body: Buffer.alloc(2_000, 'x') });
    expect([answer.status, answer.field('www-authenticate'), answer.field('dpop-nonce')]).toEqual([
      401,
      'DPoP error="use_dpop_nonce"',
      undefined,
    ]);
    expect((await call()).status).toBe(200);
    expect(authorizationServer.grants()).toBe(1);
  });

  test('T17 an upstream that takes no nonce is asked twice, not for ever, and no token is renewed', async () => {
    await start();
    upstream.answer = () => answerWith(401, ['DPoP-Nonce: n', 'WWW-Authenticate: DPoP error="use_dpop_nonce"'], 'never');
    const answer = await call();
    expect([answer.status, answer.text(), upstream.requests.length]).toEqual([401, 'never', 2]);
    expect(authorizationServer.grants()).toBe(1);
  });

  test('T17 both remedies may follow each other, each once', async () => {
    await start();
    const refusal = (error: string) => answerWith(401, ['DPoP-Nonce: n', `WWW-Authenticate: DPoP error="${error}"`]);
    upstream.answer = inTurn(refusal('use_dpop_nonce'), refusal('invalid_token'), refusal('use_dpop_nonce'));
    expect((await call()).status).toBe(401);
    expect([upstream.requests.length, authorizationServer.grants()]).toEqual([3, 2]);
  });

  test('T17 a refused proof renews no token', async () => {
    await start();
    upstream.answer = () => answerWith(401, ['WWW-Authenticate: DPoP error="invalid_dpop_proof"']);
    expect((await call()).status).toBe(401);
    expect([upstream.requests.length, authorizationServer.grants()]).toEqual([1, 1]);
  });

  test('T17 where a 401 is passed on, the nonce challenge is answered all the same', async () => {
    await start({ route: { onUnauthorized: 'pass' } });
    upstream.nonce = 'n-1';
    expect((await call()).status).toBe(200);
    upstream.revoked.add(upstream.visits[0]?.token as string);
    expect((await call()).status).toBe(401);
    expect(authorizationServer.grants()).toBe(1);
  });

  test('T17 a request sent again because its connection was stale has another proof', async () => {
    await start();
    await call();
    const answers = upstream.answer;
    upstream.answer = inTurn(reset, answers);
    expect((await call()).status).toBe(200);
    expect(new Set(upstream.requests.map((asked) => asked.field('dpop')[0])).size).toBe(3);
    expect(faults()).toEqual([undefined, undefined]);
  });
});
