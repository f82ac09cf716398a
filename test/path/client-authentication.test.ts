/** Each client authentication method with each grant, against a real authorization server over TLS. */

import { generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import type { DemoClient, DemoCredentials } from '../../src/demo/client.ts';
import { ASSERTION_GRANTS, createAssertionIssuer } from '../helpers/assertion-grants.ts';
import { startAuthorizationServer, type TestAuthorizationServer, USER } from '../helpers/authorization-server.ts';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { createSelfSigned, type Identity, sharedAuthority } from '../helpers/certificates.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

/** Each grant of the config, and how it is called in the request. */
const GRANTS = {
  client_credentials: 'client_credentials',
  password: 'password',
  refresh_token: 'refresh_token',
  ...ASSERTION_GRANTS,
} as const;

type Grant = keyof typeof GRANTS;

const FORGED = Object.keys(ASSERTION_GRANTS) as (keyof typeof ASSERTION_GRANTS)[];

interface Method {
  /** What the server knows. */
  readonly registered: DemoCredentials;
  /** `clientAuthentication` that the server takes, and one that it refuses; after how many requests. */
  readonly right: (clientId: string) => object;
  readonly wrong?: (clientId: string) => object;
  readonly refusals?: number;
}

const inline = (unsafeInline: string) => ({ unsafeInline });
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const publicPem = (key: KeyObject) => key.export({ type: 'spki', format: 'pem' }).toString();
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' });

const SECRET = 'a client secret of 64 bytes, as HS512 wants it ~/+&=%: .........';

function withSecret(method: 'client_secret_basic' | 'client_secret_post' | 'client_secret_jwt', more: object = {}): Method {
  return {
    registered: { clientAuthentication: method, secret: SECRET },
    right: () => ({ method, secret: inline(SECRET), ...more }),
    wrong: () => ({ method, secret: inline(`${SECRET}x`), ...more }),
  };
}

function withKey(keys: { publicKey: KeyObject; privateKey: KeyObject }, more: () => object = () => ({})): Method {
  const method = 'private_key_jwt';
  return {
    registered: { clientAuthentication: method, publicKey: publicPem(keys.publicKey), kid: '2026-11' },
    right: () => ({ method, key: inline(pem(keys.privateKey)), kid: '2026-11', ...more() }),
    wrong: () => ({ method, key: inline(pem(stranger.privateKey)) }),
  };
}

function withCertificate(registered: DemoCredentials, right: Identity, wrong: Identity): Method {
  const config = ({ cert, key }: Identity) => ({ method: registered.clientAuthentication, certificate: cert, key: inline(key) });
  return { registered, right: () => config(right), wrong: () => config(wrong) };
}

/** As whoever fills such a file would make it. */
function assertionOf(clientId: string, issuer: string, key: KeyObject): string {
  const now = Math.floor(Date.now() / 1000);
  const claims = { iss: clientId, sub: clientId, aud: issuer, jti: clientId, exp: now + 600, iat: now };
  const input = [{ alg: 'ES256' }, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${sign('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
}

const NAMES = [
  'client_secret_basic',
  'client_secret_basic raw',
  'client_secret_post',
  'client_secret_jwt HS256',
  'client_secret_jwt HS384',
  'client_secret_jwt HS512',
  'private_key_jwt RS256',
  'private_key_jwt PS256',
  'private_key_jwt ES256',
  'private_key_jwt EdDSA',
  'private_key_jwt for the token endpoint',
  'private_key_jwt from a file',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'a list of secrets',
  'none',
] as const;

async function createMethods(issuer: () => string): Promise<Record<(typeof NAMES)[number], Method>> {
  const authority = await sharedAuthority();
  const uri = 'spiffe://acme.example/orders';
  const own = await createSelfSigned({ commonName: 'orders', usage: ['client'] });
  const byFile = (key: KeyObject) => (clientId: string) => ({
    method: 'private_key_jwt',
    assertion: inline(assertionOf(clientId, issuer(), key)),
  });
  const list = (...secrets: string[]) => ({ method: 'client_secret_post', secret: secrets.map(inline) });
  return {
    client_secret_basic: withSecret('client_secret_basic'),
    'client_secret_basic raw': {
      // The server decodes, so only a secret that needs no encoding can be sent raw.
      registered: { clientAuthentication: 'client_secret_basic', secret: 'plain-secret' },
      right: () => ({ secret: inline('plain-secret'), encoding: 'raw' }),
      wrong: () => ({ secret: inline('wrong-secret'), encoding: 'raw' }),
    },
    client_secret_post: withSecret('client_secret_post'),
    'client_secret_jwt HS256': withSecret('client_secret_jwt'),
    'client_secret_jwt HS384': withSecret('client_secret_jwt', { alg: 'HS384' }),
    'client_secret_jwt HS512': withSecret('client_secret_jwt', { alg: 'HS512' }),
    'private_key_jwt RS256': withKey(rsa),
    'private_key_jwt PS256': withKey(rsa, () => ({ alg: 'PS256' })),
    'private_key_jwt ES256': withKey(ec),
    'private_key_jwt EdDSA': withKey(ed),
    'private_key_jwt for the token endpoint': withKey(ec, () => ({ audience: `${issuer()}/token` })),
    'private_key_jwt from a file': { ...withKey(ec), right: byFile(ec.privateKey), wrong: byFile(stranger.privateKey) },
    tls_client_auth: withCertificate(
      { clientAuthentication: 'tls_client_auth', uri },
      await authority.issueClient({ uri: [uri] }),
      await authority.issueClient({ uri: [`${uri}/other`] }),
    ),
    self_signed_tls_client_auth: withCertificate(
      { clientAuthentication: 'self_signed_tls_client_auth', certificate: own.cert },
      own,
      await createSelfSigned({ commonName: 'orders', usage: ['client'] }),
    ),
    'a list of secrets': {
      registered: { clientAuthentication: 'client_secret_post', secret: SECRET },
      right: () => list('an older secret', SECRET),
      wrong: () => list('an older secret', 'another secret'),
      refusals: 2,
    },
    none: { registered: { clientAuthentication: 'none' }, right: () => ({ method: 'none' }), wrong: () => ({ secret: inline('unasked') }) },
  };
}

const assertionIssuer = createAssertionIssuer();
let authorizationServer: TestAuthorizationServer;
let origin: ScriptedServer;
let broker: TestBroker;
let methods: Record<(typeof NAMES)[number], Method>;

const idOf = (name: string, grant: string, kind: string) => `${kind}-${name}-${grant}`.replaceAll(' ', '-');
const cases = NAMES.flatMap((name) => (Object.keys(GRANTS) as Grant[]).map((grant) => [name, grant] as const));
const everyToken = () =>
  cases.flatMap(([name, grant]) => (['right', 'wrong'] as const).map((kind) => ({ name, grant, kind, clientId: idOf(name, grant, kind) })));

/** What each grant needs besides the client. */
function keysOf(grant: Grant, refreshToken: string, vouching = assertionIssuer): object {
  switch (grant) {
    case 'client_credentials':
      return {};
    case 'password':
      return { resourceOwner: { username: USER.username, password: inline(USER.password) } };
    case 'refresh_token':
      return { refreshToken: inline(refreshToken) };
    case 'token_exchange':
      return { subject: inline(vouching.jwt('somebody')), subjectTokenType: 'urn:ietf:params:oauth:token-type:jwt' };
    case 'jwt_bearer': {
      const audience = authorizationServer.issuer;
      const sign = { key: inline(vouching.privateKey), alg: 'ES256', issuer: 'https://idp.example', subject: 'somebody', audience };
      return { subject: { sign } };
    }
    case 'saml2_bearer':
      return { subject: inline(vouching.saml('somebody', authorizationServer.issuer)) };
  }
}

function tokenConfig(clientId: string, grant: Grant, clientAuthentication: object, refreshToken: string) {
  return { authorizationServer: 'as', grant, clientId, clientAuthentication, renew: { eager: false }, ...keysOf(grant, refreshToken) };
}

async function start(clients: readonly DemoClient[], tokens: (issuer: string) => Promise<Record<string, object>>): Promise<void> {
  authorizationServer = await startAuthorizationServer({ clients, assertionIssuer });
  origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
  const all = await tokens(authorizationServer.issuer);
  broker = await startBroker({
    authorizationServers: { as: { issuer: authorizationServer.issuer, tls: { ca: authorizationServer.ca } } },
    tokens: all,
    routes: Object.fromEntries(
      Object.keys(all).map((name) => [name, { path: `/${name}`, callers: ['anonymous'], token: name, upstream: origin.url }]),
    ),
  });
}

const get = (name: string): Promise<Answer> => request(`${broker.url()}/${name}`);
const askedBy = (clientId: string) => authorizationServer.requests.filter((each) => each.clientId === clientId);
const lastToken = () => origin.requests.at(-1)?.field('authorization')[0]?.replace('Bearer ', '');
const codeOf = (answer: Answer) => (answer.json() as { code: string }).code;

afterAll(() => Promise.all([broker?.close(), authorizationServer?.close(), origin?.close()]));

describe('client authentication', () => {
  beforeAll(async () => {
    let issuer = '';
    methods = await createMethods(() => issuer);
    const clients = everyToken().map(({ name, grant, clientId }) => ({ ...methods[name].registered, clientId, grants: [GRANTS[grant]] }));
    clients.push(...FORGED.map((grant) => ({ ...methods.client_secret_basic.registered, clientId: grant, grants: [GRANTS[grant]] })));
    await start(clients, async (started) => {
      issuer = started;
      const tokens = everyToken().map(async ({ name, grant, kind, clientId }) => {
        const proof = (methods[name][kind] as Method['right'])(clientId);
        return [clientId, tokenConfig(clientId, grant, proof, await authorizationServer.refreshToken(clientId))] as const;
      });
      const forged = FORGED.map((grant) => {
        const proof = { method: 'client_secret_basic', secret: inline(SECRET) };
        return [grant, { ...tokenConfig(grant, grant, proof, ''), ...keysOf(grant, '', createAssertionIssuer()) }] as const;
      });
      return Object.fromEntries([...(await Promise.all(tokens)), ...forged]);
    });
  }, 30_000);

  test.each(cases)('%s gets a token by %s', async (name, grant) => {
    const clientId = idOf(name, grant, 'right');
    const answer = await get(clientId);
    expect([answer.status, answer.text()]).toEqual([200, 'ok']);
    expect(authorizationServer.issued).toContain(lastToken());
    const { clientAuthentication } = methods[name].registered;
    expect(askedBy(clientId).at(-1)).toMatchObject({ grant: GRANTS[grant], clientAuthentication, status: 200 });
    expect(askedBy(clientId)).toHaveLength(methods[name].refusals ?? 1);
  });

  test.each(cases)('T05 a wrong %s is 502 for %s, asked for once and then left alone', async (name, grant) => {
    const clientId = idOf(name, grant, 'wrong');
    for (let i = 0; i < 3; i += 1) {
      const answer = await get(clientId);
      expect([answer.status, codeOf(answer)]).toEqual([502, 'TOKEN_REJECTED']);
    }
    expect(askedBy(clientId).map(({ status, error }) => [status, error])).toEqual(
      Array.from({ length: methods[name].refusals ?? 1 }, () => [401, 'invalid_client']),
    );
  });

  test.each(FORGED)('T05 an assertion that nobody trusts is 502 for %s: the server verifies its signature', async (grant) => {
    const answer = await get(grant);
    expect([answer.status, codeOf(answer)]).toEqual([502, 'TOKEN_REJECTED']);
    expect(askedBy(grant).map(({ status, error }) => [status, error])).toEqual([[400, 'invalid_grant']]);
  });
});
