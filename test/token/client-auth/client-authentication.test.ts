/** What each client authentication method puts on the wire, byte for byte where nothing in it is random. */

import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject, verify, X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { AuthorizationServer } from '../../../src/authorization-server/authorization-server.ts';
import { authorizationServer as serverSchema } from '../../../src/config/schema/authorization-servers.ts';
import { token as tokenSchema } from '../../../src/config/schema/tokens.ts';
import type { Secret } from '../../../src/config/secret.ts';
import type { Grant } from '../../../src/token/source.ts';
import { sharedAuthority } from '../../helpers/certificates.ts';
import { FakeClock } from '../../helpers/fake-clock.ts';
import { grantOf } from '../../helpers/grant.ts';
import { tokenAnswer } from '../../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../../helpers/scripted-server.ts';

const clock = new FakeClock();
const NOW = Math.floor(clock.now() / 1000);
const ODD = { id: 'id ~/+&=%ü', secret: 's:e c~/+&=%ü' };
const BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

let server: ScriptedServer;
let servers: AuthorizationServer[] = [];

beforeAll(async () => {
  server = await startScriptedServer({ answer: () => tokenAnswer() });
});
beforeEach(() => {
  server.answer = () => tokenAnswer();
});
afterAll(async () => {
  await Promise.all([server.close(), ...servers.map((each) => each.close())]);
});

interface Source extends Grant {
  /** The secret under a key of "clientAuthentication". */
  readonly secret: (key: string) => Secret;
}

function source(clientAuthentication: object, { clientId = 'the-client', issuer = undefined as string | undefined } = {}): Source {
  const config = tokenSchema.parse({ authorizationServer: 'as', grant: 'client_credentials', clientId, clientAuthentication });
  const authorizationServer = new AuthorizationServer(serverSchema.parse({ tokenEndpoint: `${server.url}/token`, issuer }), clock);
  servers = [...servers, authorizationServer];
  const granted = grantOf(config, authorizationServer, clock);
  return { ...granted, secret: (key) => (config.clientAuthentication as unknown as Record<string, Secret>)[key] as Secret };
}

const inline = (text: string) => ({ unsafeInline: text });

/** The body and the `Authorization` field of the request that one grant made. */
async function sentBy(granted: Grant): Promise<{ body: string; authorization: string[] }> {
  await granted.get();
  const asked = server.requests.at(-1);
  return { body: asked?.body.toString() ?? '', authorization: asked?.field('authorization') ?? [] };
}

interface Jwt {
  readonly header: Record<string, unknown>;
  readonly claims: Record<string, unknown>;
  readonly input: string;
  readonly signature: Buffer;
}

function read(jwt: string | null): Jwt {
  const [header = '', claims = '', signature = ''] = String(jwt).split('.');
  const json = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>;
  return { header: json(header), claims: json(claims), input: `${header}.${claims}`, signature: Buffer.from(signature, 'base64url') };
}

async function assertionOf(granted: Grant): Promise<Jwt> {
  const form = new URLSearchParams((await sentBy(granted)).body);
  expect([...form.keys()].sort()).toEqual(['client_assertion', 'client_assertion_type', 'client_id', 'grant_type']);
  expect([form.get('client_id'), form.get('client_assertion_type')]).toEqual(['the-client', BEARER]);
  return read(form.get('client_assertion'));
}

const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const KEYS = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey,
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey,
  ed: generateKeyPairSync('ed25519').privateKey,
};

describe('secrets that are sent', () => {
  test.each([
    ['form', 'id+%7E%2F%2B%26%3D%25%C3%BC:s%3Ae+c%7E%2F%2B%26%3D%25%C3%BC'],
    ['raw', `${ODD.id}:${ODD.secret}`],
  ])('T01 client_secret_basic with the encoding %s', async (encoding, credentials) => {
    const sent = await sentBy(source({ secret: inline(ODD.secret), encoding }, { clientId: ODD.id }));
    expect(sent).toEqual({
      body: 'grant_type=client_credentials',
      authorization: [`Basic ${Buffer.from(credentials).toString('base64')}`],
    });
  });

  test('T01 client_secret_post', async () => {
    const sent = await sentBy(source({ method: 'client_secret_post', secret: inline(ODD.secret) }, { clientId: ODD.id }));
    expect(sent.authorization).toEqual([]);
    expect(sent.body).toBe(
      'grant_type=client_credentials&client_id=id+%7E%2F%2B%26%3D%25%C3%BC&client_secret=s%3Ae+c%7E%2F%2B%26%3D%25%C3%BC',
    );
  });

  test('T01 none sends the client id alone', async () => {
    const sent = await sentBy(source({ method: 'none' }, { clientId: ODD.id }));
    expect(sent).toEqual({ body: 'grant_type=client_credentials&client_id=id+%7E%2F%2B%26%3D%25%C3%BC', authorization: [] });
  });
});

describe('assertions that we sign', () => {
  test.each([
    [undefined, 'HS256', 'sha256'],
    ['HS384', 'HS384', 'sha384'],
    ['HS512', 'HS512', 'sha512'],
  ])('T01 client_secret_jwt with alg %s is signed with the secret, which is not sent', async (alg, expected, hash) => {
    const granted = source({ method: 'client_secret_jwt', secret: inline(ODD.secret), alg });
    const { header, claims, input, signature } = await assertionOf(granted);
    expect(header).toEqual({ alg: expected, typ: 'JWT' });
    expect(claims).toMatchObject({ iss: 'the-client', sub: 'the-client', aud: `${server.url}/token` });
    expect(signature).toEqual(createHmac(hash, ODD.secret).update(input).digest());
    expect(server.requests.at(-1)?.raw.toString()).not.toContain(ODD.secret);
  });

  test.each([
    ['rsa', undefined, 'RS256', 'sha256', {}],
    ['rsa', 'PS256', 'PS256', 'sha256', { padding: 6, saltLength: 32 }],
    ['ec', undefined, 'ES256', 'sha256', { dsaEncoding: 'ieee-p1363' }],
    ['ed', undefined, 'EdDSA', null, {}],
  ] as const)('T16 private_key_jwt with a key of kind %s and alg %s', async (kind, alg, expected, hash, details) => {
    const key = KEYS[kind];
    const { header, claims, input, signature } = await assertionOf(source({ method: 'private_key_jwt', key: inline(pem(key)), alg }));
    expect(header).toEqual({ alg: expected, typ: 'JWT' });
    expect(verify(hash, Buffer.from(input), { key: createPublicKey(key), ...details }, signature)).toBe(true);
    expect(claims).toEqual({
      iss: 'the-client',
      sub: 'the-client',
      aud: `${server.url}/token`,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
      iat: NOW,
      nbf: NOW,
      exp: NOW + 60,
    });
  });

  test.each([
    ['the issuer', { issuer: 'https://as.example/realm' }, undefined, () => 'https://as.example/realm'],
    ['the token endpoint where no issuer is known', {}, undefined, () => `${server.url}/token`],
    ['what the config says', { issuer: 'https://as.example' }, 'https://as.example/tenant/x', () => 'https://as.example/tenant/x'],
  ])('T16 is meant for %s', async (_what, options, audience, expected) => {
    const granted = source({ method: 'private_key_jwt', key: inline(pem(KEYS.ec)), audience }, options);
    expect((await assertionOf(granted)).claims['aud']).toBe(expected());
  });

  test('T16 a retry never sends the same assertion: each has a jti of its own', async () => {
    const granted = source({ method: 'private_key_jwt', key: inline(pem(KEYS.ec)) });
    const jtis = new Set<unknown>();
    for (let i = 0; i < 5; i += 1) jtis.add((await assertionOf(granted)).claims['jti']);
    expect(jtis.size).toBe(5);
  });

  test('T16 after a rotation the next assertion has the new key, key id and certificate', async () => {
    const authority = await sharedAuthority();
    const [before, after] = [await authority.issueClient({ commonName: 'before' }), await authority.issueClient({ commonName: 'after' })];
    const granted = source({
      method: 'private_key_jwt',
      key: inline(before.key),
      certificate: before.cert + authority.certificate,
      kid: 'before',
    });
    const digest = (fingerprint: string) => Buffer.from(fingerprint, 'hex').toString('base64url');
    const der = (text: string) => new X509Certificate(text).raw.toString('base64');
    expect((await assertionOf(granted)).header).toEqual({
      alg: 'ES256',
      typ: 'JWT',
      kid: 'before',
      'x5t#S256': digest(before.fingerprint),
      x5c: [der(before.leaf), der(authority.certificate)],
    });
    granted.secret('key').fill(after.key);
    granted.secret('certificate').fill(after.cert);
    granted.secret('kid').fill('after');
    const { header, input, signature } = await assertionOf(granted);
    expect(header).toMatchObject({ kid: 'after', 'x5t#S256': digest(after.fingerprint), x5c: [der(after.leaf)] });
    const key = new X509Certificate(after.leaf).publicKey;
    expect(verify('sha256', Buffer.from(input), { key, dsaEncoding: 'ieee-p1363' }, signature)).toBe(true);
  });

  test('T16 a key that came by a rotation and does not fit "alg" is said to be unusable; nothing is sent', async () => {
    const granted = source({ method: 'private_key_jwt', key: inline(pem(KEYS.ec)), alg: 'ES256' });
    await granted.get();
    const before = server.requests.length;
    granted.secret('key').fill(pem(KEYS.rsa));
    await expect(granted.get()).rejects.toMatchObject({ failureClass: 'permanent', reason: 'client_key_unusable' });
    expect(server.requests).toHaveLength(before);
  });
});

describe('assertions that others keep in a file', () => {
  const jwt = (name: string) =>
    ['{"alg":"RS256"}', `{"sub":"${name}"}`, name].map((part) => Buffer.from(part).toString('base64url')).join('.');

  test('T16 are read again for each grant, whether or not anybody watches the file', async () => {
    const granted = source({ method: 'private_key_jwt', assertion: inline(jwt('first')) });
    expect((await assertionOf(granted)).claims).toEqual({ sub: 'first' });
    const assertion = granted.secret('assertion');
    assertion.readFrom('/assertion', async () => assertion.fill(jwt('second')));
    expect((await assertionOf(granted)).claims).toEqual({ sub: 'second' });
  });

  test('T01 may be of another type', async () => {
    const assertionType = 'urn:ietf:params:oauth:client-assertion-type:jwt-spiffe';
    const sent = await sentBy(source({ method: 'private_key_jwt', assertion: inline(jwt('svid')), assertionType }));
    expect(new URLSearchParams(sent.body).get('client_assertion_type')).toBe(assertionType);
  });
});
