/**
 * A real Keycloak: each grant and each way of client authentication that docs/recipes.md has for it, what it says of mistakes, tokens that are
 * bound, taken back, and revoked, clients that register themselves, and callers with its JWTs.
 */

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { afterAll, afterEach, beforeAll, expect, test } from '@jest/globals';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { type Identity, sharedAuthority } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';
import { describeInstalled } from '../helpers/proxy-program.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';
import { type Keycloak, REALM, startKeycloak } from './keycloak.ts';

const LONGEST_MS = 300_000;
const SECRET = 'a secret of the client, some forty bytes long';
const OWNER = { username: 'bookkeeper', password: 'p+w ä%20:' };
const USERINFO = `/realms/${REALM}/protocol/openid-connect/userinfo`;
const inline = (unsafeInline: string) => ({ unsafeInline });

let keycloak: Keycloak;
let client: Identity;
let pem = '';
const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

const service = (clientId: string, settings: Record<string, unknown> = {}) => ({
  clientId,
  secret: SECRET,
  serviceAccountsEnabled: true,
  ...settings,
});
const audience = (name: string, of: string) => ({
  name,
  protocol: 'openid-connect',
  attributes: { 'include.in.token.scope': 'true' },
  protocolMappers: [
    {
      name,
      protocol: 'openid-connect',
      protocolMapper: 'oidc-audience-mapper',
      config: { 'included.client.audience': of, 'access.token.claim': 'true' },
    },
  ],
});

function realm(publicKey: KeyObject): Record<string, unknown> {
  const jwks = JSON.stringify({ keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'orders-2026', use: 'sig', alg: 'RS256' }] });
  const certified = { clientAuthenticatorType: 'client-x509' };
  const subject = { 'x509.subjectdn': 'CN=orders' };
  return {
    accessTokenLifespan: 60,
    clientScopes: [
      { name: 'orders', protocol: 'openid-connect', attributes: { 'include.in.token.scope': 'true' } },
      audience('to-sidecar', 'sidecar'),
      audience('to-shipping', 'shipping'),
    ],
    clients: [
      service('sidecar', {
        directAccessGrantsEnabled: true,
        attributes: { 'standard.token.exchange.enabled': 'true' },
        optionalClientScopes: ['orders', 'to-shipping'],
      }),
      service('by-key', { clientAuthenticatorType: 'client-jwt', attributes: { 'use.jwks.string': 'true', 'jwks.string': jwks } }),
      service('by-secret-jwt', { clientAuthenticatorType: 'client-secret-jwt' }),
      service('by-certificate', { ...certified, attributes: subject }),
      service('bound', { ...certified, attributes: { ...subject, 'tls.client.certificate.bound.access.tokens': 'true' } }),
      service('dpop', { attributes: { 'dpop.bound.access.tokens': 'true' } }),
      service('front', { defaultClientScopes: ['to-sidecar'] }),
      service('idle', { serviceAccountsEnabled: false }),
      service('shipping'),
    ],
    users: [
      {
        username: OWNER.username,
        enabled: true,
        email: 'b@acme.example',
        emailVerified: true,
        firstName: 'B',
        lastName: 'K',
        credentials: [{ type: 'password', value: OWNER.password }],
      },
    ],
  };
}

const grant = (clientId: string, settings: Record<string, unknown> = {}) => ({
  authorizationServer: 'keycloak',
  grant: 'client_credentials',
  clientId,
  clientAuthentication: { secret: inline(SECRET) },
  renew: { eager: false },
  ...settings,
});
const certified = () => ({ method: 'tls_client_auth', certificate: client.cert, key: inline(client.key) });
const keyed = (settings: Record<string, unknown> = {}) => ({
  clientAuthentication: { method: 'private_key_jwt', key: inline(pem), ...settings },
});
const owned = (password: string) => ({ grant: 'password', resourceOwner: { username: OWNER.username, password: inline(password) } });

async function start(tokens: Record<string, Record<string, unknown>>, config: Record<string, unknown> = {}): Promise<TestBroker> {
  const broker = await startBroker({
    authorizationServers: { keycloak: { issuer: keycloak.issuer, tls: { ca: keycloak.ca } } },
    tokens,
    ...config,
  });
  closers.push(() => broker.close());
  return broker;
}

/** Hands the token out, once for each call. */
async function handOut(token: Record<string, unknown>) {
  const listeners = { local: { address: '127.0.0.1:0', serve: 'token-endpoint', authenticate: ['anonymous'] } };
  const broker = await start({ token: { ...token, callers: ['anonymous'] } }, { listeners });
  const ask = async () => {
    const answer = await request(`${broker.url()}/tokens/token`);
    return { status: answer.status, ...(answer.json() as { access_token?: string; error?: string; code?: string }) };
  };
  return { broker, ask };
}

/** A route to the user info of Keycloak, which takes what is good for it alone. */
async function startRoute(token: Record<string, unknown>, route: Record<string, unknown> = {}): Promise<() => Promise<number>> {
  const upstream = { upstream: new URL(keycloak.issuer).origin, upstreamTls: { ca: keycloak.ca } };
  const broker = await start(
    { token: { ...token, scope: 'openid' } },
    { routes: { api: { path: '/', callers: ['anonymous'], token: 'token', ...upstream, ...route } } },
  );
  return async () => (await request(`${broker.url()}${USERINFO}`)).status;
}

const claimsOf = (jwt = '') => JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>;

async function tokenOf(clientId: string): Promise<string> {
  const answer = await keycloak.post('token', { grant_type: 'client_credentials', client_id: clientId, client_secret: SECRET });
  return (answer.json() as { access_token: string }).access_token;
}

/** Asked by whom the token is for: Keycloak tells nobody else. */
async function isActive(token: string): Promise<boolean> {
  const answer = await keycloak.post('token/introspect', { token, client_id: 'sidecar', client_secret: SECRET });
  return (answer.json() as { active: boolean }).active;
}

describeInstalled('kc.sh')('Keycloak', () => {
  beforeAll(async () => {
    const { publicKey, privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
    pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    client = await (await sharedAuthority()).issueClient({ commonName: 'orders' });
    keycloak = await startKeycloak(realm(publicKey));
  }, LONGEST_MS);
  afterAll(() => keycloak?.close());

  test.each<[string, () => Record<string, unknown>, Record<string, unknown>]>([
    ['client_secret_basic', () => grant('sidecar', { scope: 'orders' }), { azp: 'sidecar', scope: expect.stringContaining('orders') }],
    ['client_secret_post', () => grant('sidecar', { clientAuthentication: { method: 'client_secret_post', secret: inline(SECRET) } }), {}],
    [
      'client_secret_jwt',
      () => grant('by-secret-jwt', { clientAuthentication: { method: 'client_secret_jwt', secret: inline(SECRET) } }),
      { azp: 'by-secret-jwt' },
    ],
    ['private_key_jwt', () => grant('by-key', keyed({ kid: 'orders-2026' })), { azp: 'by-key' }],
    ['private_key_jwt without a key id', () => grant('by-key', keyed()), { azp: 'by-key' }],
    ['tls_client_auth', () => grant('by-certificate', { clientAuthentication: certified() }), { azp: 'by-certificate' }],
    ['the password grant', () => grant('sidecar', owned(OWNER.password)), { azp: 'sidecar' }],
  ])('grants by %s', async (_how, token, claims) => {
    const { ask } = await handOut(token());
    const { status, access_token } = await ask();
    expect([status, claimsOf(access_token)]).toEqual([200, expect.objectContaining(claims)]);
  });

  test('exchanges a token for another audience', async () => {
    const exchange = { grant: 'token_exchange', subject: inline(await tokenOf('front')), audience: 'shipping', scope: 'to-shipping' };
    const { ask } = await handOut(grant('sidecar', exchange));
    expect(claimsOf((await ask()).access_token)).toMatchObject({ aud: 'shipping', azp: 'sidecar' });
  });

  test.each<[string, () => Record<string, unknown>, string]>([
    ['a wrong secret', () => grant('sidecar', { clientAuthentication: { secret: inline('wrong') } }), 'unauthorized_client'],
    ['an unknown client', () => grant('nobody'), 'invalid_client'],
    ['a client without a service account', () => grant('idle'), 'unauthorized_client'],
    ['an unknown scope', () => grant('sidecar', { scope: 'none-such' }), 'invalid_scope'],
    ['a wrong password', () => grant('sidecar', owned('wrong')), 'invalid_grant'],
    ['an unknown key', () => grant('by-key', keyed({ kid: 'other' })), 'invalid_client'],
    ['no proof where the client must have one', () => grant('dpop'), 'invalid_request'],
  ])('of %s says what the log and the answer tell, and is not asked again at once', async (_what, token, reason) => {
    const { broker, ask } = await handOut(token());
    for (let i = 0; i < 2; i += 1) expect(await ask()).toMatchObject({ status: 502, code: 'TOKEN_REJECTED' });
    expect(await broker.logged('token not granted')).toMatchObject({ class: 'permanent', reason });
    expect(broker.log.filter(({ msg }) => msg === 'token not granted')).toHaveLength(1);
  });

  test('gives tokens that are bound to a key (DPoP, RFC 9449) and takes a proof with each request', async () => {
    const call = await startRoute(grant('dpop', { dpop: true }));
    expect([await call(), await call()]).toEqual([200, 200]);
  });

  test('gives tokens that are bound to a certificate (RFC 8705), which are good with it alone', async () => {
    const token = grant('bound', { clientAuthentication: certified(), certificateBound: true });
    const call = await startRoute(token);
    expect(await call()).toBe(200);
    const { ask } = await handOut(grant('bound', { clientAuthentication: certified(), scope: 'openid' }));
    const { access_token } = await ask();
    const fields = { authorization: `Bearer ${access_token}` };
    expect((await request(`${new URL(keycloak.issuer).origin}${USERINFO}`, { tls: { ca: keycloak.ca }, fields })).status).toBe(401);
  });

  test.each<[string, () => Record<string, unknown>]>([
    ['of a client', () => grant('dpop', { dpop: true })],
    ['of a user, whose refresh token is taken back with it', () => grant('sidecar', owned(OWNER.password))],
  ])('takes all tokens back: the next request %s has another', async (_whose, token) => {
    const call = await startRoute(token());
    expect(await call()).toBe(200);
    await keycloak.administer('POST', `/${REALM}/logout-all`);
    expect(await call()).toBe(200);
  });

  test('is given back what was in use when the broker stops (RFC 7009)', async () => {
    const { broker, ask } = await handOut(grant('front', { revokeOnShutdown: true }));
    const { access_token = '' } = await ask();
    expect(await isActive(access_token)).toBe(true);
    await broker.broker.drain();
    expect(await isActive(access_token)).toBe(false);
  });

  test('registers a client for a broker that comes with a right to it (RFC 7591)', async () => {
    const right = await keycloak.administer('POST', `/${REALM}/clients-initial-access`, { count: 1, expiration: 60 });
    const { token } = right.json() as { token: string };
    const { clientId: _id, clientAuthentication: _secret, ...rest } = grant('');
    const registration = {
      initialAccessToken: inline(token),
      persist: 'client',
      persistKey: inline(Buffer.alloc(32, 7).toString('base64')),
    };
    const { broker, ask } = await handOut({ ...rest, registration });
    const { status, access_token } = await ask();
    expect([status, claimsOf(access_token)['azp']]).toEqual([200, (await broker.logged('client registered'))['clientId']]);
  });

  test('vouches for callers: those whom the config names by their claims', async () => {
    const origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
    closers.push(() => origin.close());
    const { issuer, ca } = keycloak;
    const broker = await start(
      {},
      {
        listeners: { local: { address: '127.0.0.1:0', authenticate: ['jwt'] } },
        callers: { front: { jwt: { issuer, audience: 'sidecar', claims: { azp: 'front' }, tls: { ca } } } },
        routes: { api: { path: '/', callers: ['front'], token: null, upstream: origin.url } },
      },
    );
    const call = async (token: string) => (await request(`${broker.url()}/x`, { fields: { authorization: `Bearer ${token}` } })).status;
    const good = await tokenOf('front');
    const forged = `${good.slice(0, -8)}AAAAAAAA`;
    expect([await call(good), await call(forged), await call(await tokenOf('sidecar'))]).toEqual([200, 401, 401]);
  });
});
