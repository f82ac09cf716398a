/** OAuth client libraries, and plain HTTP clients, at a listener that serves `token-endpoint`. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import * as oauth from 'openid-client';
import { hashPassword } from '../../src/password-hash.ts';
import { CLIENTS, startAuthorizationServer } from '../helpers/authorization-server.ts';
import { ORDERS_TOKEN, secretHash, startBroker } from '../helpers/broker.ts';
import { type Identity, sharedAuthority } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';
import { Http2Caller } from '../helpers/http2-client.ts';
import { oauthError } from '../helpers/scripted-answers.ts';
import {
  askForToken,
  GRANT,
  GRANTED,
  secureListener,
  startTokenEndpoint,
  type TokenEndpointOptions,
  type TokenEndpointScene,
} from '../helpers/token-endpoint.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(options?: TokenEndpointOptions): Promise<TokenEndpointScene> {
  const scene = await startTokenEndpoint(options);
  closers.push(scene.close);
  return scene;
}

interface Client {
  readonly endpoint: string;
  readonly id?: string;
  readonly authentication?: oauth.ClientAuth;
  readonly ca?: string;
  readonly identity?: Identity;
}

function clientOf({ endpoint, id = 'billing', authentication = oauth.ClientSecretBasic('secret'), ca, identity }: Client) {
  const configuration = new oauth.Configuration(
    { issuer: 'https://broker.example', token_endpoint: endpoint },
    id,
    undefined,
    authentication,
  );
  oauth.allowInsecureRequests(configuration);
  configuration[oauth.customFetch] = async (url, { method, headers, body }) => {
    const tls = { ...(ca === undefined ? {} : { ca }), ...(identity === undefined ? {} : { cert: identity.cert, key: identity.key }) };
    const answer = await request(url, { method, fields: headers, tls, body: String(body) });
    const fields = answer.fields.flatMap((name, i): [string, string][] => (i % 2 === 0 ? [[name, answer.fields[i + 1] as string]] : []));
    return new Response(new Uint8Array(answer.body), { status: answer.status, headers: fields });
  };
  return configuration;
}

const orders = (scene: TokenEndpointScene, listener?: string) => `${scene.url(listener)}/tokens/orders`;

describe('an OAuth client library', () => {
  test.each([
    ['client_secret_basic', oauth.ClientSecretBasic('secret')],
    ['client_secret_post', oauth.ClientSecretPost('secret')],
  ])('gets a token by %s', async (_method, authentication) => {
    const client = clientOf({ endpoint: orders(await start()), authentication });
    const answer = await oauth.clientCredentialsGrant(client, { scope: 'orders.read' });
    expect(answer).toMatchObject({ access_token: 'scripted-access-token', token_type: 'bearer', scope: GRANTED.scope });
    expect(answer.expiresIn()).toBeGreaterThan(3_500);
  });

  test('gets one over TLS', async () => {
    const { ca, listener } = await secureListener(['basic']);
    const client = clientOf({ endpoint: orders(await start({ listener })), ca });
    expect(await oauth.clientCredentialsGrant(client)).toMatchObject({ access_token: 'scripted-access-token' });
  });

  test('gets one by its certificate, under the name that the caller has here and no other (RFC 8705 §2)', async () => {
    const { ca, listener } = await secureListener(['mtls', 'basic']);
    const identity = await (await sharedAuthority()).issueClient({ uri: ['spiffe://acme.example/reports'] });
    const scene = await start({
      listener,
      callers: { reports: { mtls: { uri: 'spiffe://acme.example/reports' } } },
      tokenConfig: { callers: ['reports'] },
    });
    const as = (id: string) => clientOf({ endpoint: orders(scene), id, authentication: oauth.TlsClientAuth(), ca, identity });
    expect(await oauth.clientCredentialsGrant(as('reports'))).toMatchObject({ access_token: 'scripted-access-token' });
    await expect(oauth.clientCredentialsGrant(as('billing'))).rejects.toMatchObject({ status: 400, error: 'invalid_request' });
    expect((await request(orders(scene), { tls: { ca, cert: identity.cert, key: identity.key } })).status).toBe(200);
    expect((await request(orders(scene), { tls: { ca } })).status).toBe(401);
  });

  test('is told what is wrong in the words of RFC 6749', async () => {
    const scene = await start();
    const good = clientOf({ endpoint: orders(scene) });
    await expect(oauth.clientCredentialsGrant(good, { scope: 'x' })).rejects.toMatchObject({ status: 400, error: 'invalid_scope' });
    await expect(oauth.genericGrantRequest(good, 'password', { username: 'a', password: 'b' })).rejects.toMatchObject({
      status: 400,
      error: 'unsupported_grant_type',
    });
    await expect(oauth.clientCredentialsGrant(clientOf({ endpoint: `${scene.url()}/tokens/others` }))).rejects.toMatchObject({
      status: 400,
      error: 'unauthorized_client',
    });
    const wrong = clientOf({ endpoint: orders(scene), authentication: oauth.ClientSecretBasic('wrong') });
    await expect(oauth.clientCredentialsGrant(wrong)).rejects.toMatchObject({
      status: 401,
      cause: [{ scheme: 'basic', parameters: { realm: 'token-broker', charset: 'UTF-8' } }],
    });
  });

  test('takes the trouble of an authorization server for that, not for an answer', async () => {
    const client = clientOf({ endpoint: orders(await start({ token: () => oauthError('server_error', 503) })) });
    await expect(oauth.clientCredentialsGrant(client)).rejects.toMatchObject({ code: 'OAUTH_RESPONSE_IS_NOT_CONFORM' });
  });
});

describe('odd names and passwords', () => {
  const PASSWORD = 'p+w %20/ä~:="\\';

  test.each([
    ['as an OAuth client encodes them for Basic', oauth.ClientSecretBasic(PASSWORD)],
    ['as one writes them into the form', oauth.ClientSecretPost(PASSWORD)],
  ])('are the same %s', async (_how, authentication) => {
    const scene = await start({ callers: { billing: { basic: { username: 'bill ing+ä', passwordHash: await hashPassword(PASSWORD) } } } });
    const client = clientOf({ endpoint: orders(scene), id: 'bill ing+ä', authentication });
    expect(await oauth.clientCredentialsGrant(client)).toMatchObject({ access_token: 'scripted-access-token' });
  });

  test('are the same as other clients send them with Basic', async () => {
    const scene = await start({ callers: { billing: { basic: { username: 'bill ing+ä', passwordHash: await hashPassword(PASSWORD) } } } });
    expect((await askForToken(orders(scene), { user: `bill ing+ä:${PASSWORD}` })).status).toBe(200);
    expect((await askForToken(orders(scene), { user: `bill ing+ä:${PASSWORD}+` })).status).toBe(401);
  });
});

test('a plain HTTP client gets a token on a Unix socket, where it needs no credentials', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'token-broker-endpoint-'));
  closers.push(() => rm(folder, { recursive: true }));
  const socketPath = join(folder, 'token.sock');
  await start({
    listeners: { sock: { address: `unix:${socketPath}`, serve: 'token-endpoint', authenticate: ['anonymous'], mode: '0600' } },
    tokenConfig: { callers: ['billing', 'anonymous'] },
  });
  const got = await request('http://localhost/tokens/orders', { socketPath });
  expect([got.status, got.json()]).toEqual([200, expect.objectContaining({ access_token: 'scripted-access-token' })]);
  const posted = await askForToken('http://localhost/tokens/orders', { socketPath, form: { ...GRANT, client_id: 'whoever' } });
  expect([posted.status, posted.json()]).toEqual([200, expect.objectContaining({ access_token: 'scripted-access-token' })]);
});

test('a client that speaks HTTP/2 gets a token', async () => {
  const { ca, listener } = await secureListener(['basic']);
  const scene = await start({ listener });
  const caller = new Http2Caller(scene.url(), { ca });
  closers.push(() => caller.close());
  const fields = ['authorization', `Basic ${Buffer.from('billing:secret').toString('base64')}`];
  const form = { method: 'POST', path: '/tokens/orders', fields: [...fields, 'content-type', 'application/x-www-form-urlencoded'] };
  const answer = await caller.ask({ ...form, body: 'grant_type=client_credentials' });
  expect([answer.status, JSON.parse(answer.body.toString())]).toEqual([200, expect.objectContaining({ token_type: 'Bearer' })]);
  expect((await caller.ask({ ...form, body: 'x'.repeat(20_000) })).status).toBe(413);
  expect((await caller.ask({ path: '/tokens/orders', fields })).status).toBe(200);
});

test('a token of a real authorization server, renewed ahead of its end, is never handed out within its hard margin', async () => {
  const authorizationServer = await startAuthorizationServer({ lifetimeSeconds: 6 });
  closers.push(authorizationServer.close);
  const { clientId, secret, scope } = CLIENTS.orders;
  const broker = await startBroker({
    listeners: { local: { address: '127.0.0.1:0', serve: 'token-endpoint', authenticate: ['basic'] } },
    callers: { billing: { basic: { passwordHash: await secretHash() } } },
    authorizationServers: { as: { issuer: authorizationServer.issuer, tls: { ca: authorizationServer.ca } } },
    tokens: {
      orders: {
        ...ORDERS_TOKEN,
        clientId,
        clientAuthentication: { secret: { unsafeInline: secret } },
        scope,
        callers: ['*'],
        renew: { hardMargin: '3s', before: '0s' },
      },
    },
  });
  closers.push(broker.close);
  const client = clientOf({ endpoint: `${broker.url()}/tokens/orders` });
  const first = await oauth.clientCredentialsGrant(client);
  // Of six seconds three are the margin, and some of the rest has passed.
  expect([1, 2]).toContain(first.expires_in);
  expect(authorizationServer.issued).toEqual([first.access_token]);
  const deadline = Date.now() + 10_000;
  let next = first;
  while (next.access_token === first.access_token && Date.now() < deadline) next = await oauth.clientCredentialsGrant(client);
  expect([1, 2]).toContain(next.expires_in);
  expect(authorizationServer.issued.at(-1)).toBe(next.access_token);
});
