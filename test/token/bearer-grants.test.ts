/** The grants that turn an assertion into a token: what is signed, what is sent, and that nothing is sent twice. */

import { constants, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { AuthorizationServer } from '../../src/authorization-server/authorization-server.ts';
import { loadConfig } from '../../src/config/load.ts';
import type { TokenConfig } from '../../src/config/schema/tokens.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { grantOf } from '../helpers/grant.ts';
import { oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const pem = { type: 'pkcs8', format: 'pem' } as const;
const KEYS = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export(pem).toString(),
  ec: generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export(pem).toString(),
  ed: generateKeyPairSync('ed25519').privateKey.export(pem).toString(),
};

let folder: string;
let server: ScriptedServer;
let answer: () => string;
const closed = closedAfterEach();
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-bearer-'));
  answer = () => tokenAnswer({ refresh_token: 'ignored' });
  server = await startScriptedServer({ answer: () => answer() });
  closed(server);
});
afterEach(async () => {
  await rm(folder, { recursive: true });
});

/** Writes a file of a secret. */
const put = (name: string, text: string) => writeFile(join(folder, name), text, { mode: 0o600 });

/** The source of a token as the config describes it, whose files nobody watches. */
async function source(token: Record<string, unknown>) {
  const file = join(folder, 'sidecar.config.json');
  const listeners = { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } };
  const authorizationServers = { as: { tokenEndpoint: `${server.url}/token` } };
  await writeFile(file, JSON.stringify({ listeners, authorizationServers, tokens: { orders: { authorizationServer: 'as', ...token } } }));
  const { config } = await loadConfig(file);
  const clock = new FakeClock();
  const authorizationServer = closed(new AuthorizationServer(config.authorizationServers['as'] as never, clock));
  return { ...grantOf(config.tokens['orders'] as TokenConfig, authorizationServer, clock), clock };
}

const sent = (index = 0) => Object.fromEntries(new URLSearchParams(server.requests[index]?.body.toString()));

function decoded(assertion = ''): { header: unknown; claims: Record<string, unknown>; input: Buffer; signature: Buffer } {
  const [header = '', claims = '', signature = ''] = assertion.split('.');
  const json = (part: string) => JSON.parse(Buffer.from(part, 'base64url').toString());
  return {
    header: json(header),
    claims: json(claims),
    input: Buffer.from(`${header}.${claims}`),
    signature: Buffer.from(signature, 'base64url'),
  };
}

describe('jwt_bearer with an assertion from a file', () => {
  test('T01 sends it as it is, read anew for each grant, and without a client where none is configured (RFC 7521 §4.1)', async () => {
    await put('assertion', 'one.two.three\n');
    const { get } = await source({ grant: 'jwt_bearer', subject: { fromFile: 'assertion' } });
    expect((await get()).reveal()).toBe('scripted-access-token');
    await put('assertion', 'four.five.six\n');
    await get();
    const grant_type = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
    expect([sent(0), sent(1)]).toEqual([
      { grant_type, assertion: 'one.two.three' },
      { grant_type, assertion: 'four.five.six' },
    ]);
    expect(server.requests[0]?.field('authorization')).toEqual([]);
  });

  test('T01 sends the client id, or the whole client authentication, where it is configured', async () => {
    const base = { grant: 'jwt_bearer', subject: { unsafeInline: 'one.two.three' }, clientId: 'orders-sidecar', scope: 'a b' };
    await (await source(base)).get();
    expect(sent(0)).toMatchObject({ client_id: 'orders-sidecar', scope: 'a b' });
    await (await source({ ...base, clientAuthentication: { secret: { unsafeInline: 's' } } })).get();
    expect(sent(1)['client_id']).toBeUndefined();
    expect(server.requests[1]?.field('authorization')).toEqual([`Basic ${Buffer.from('orders-sidecar:s').toString('base64')}`]);
  });
});

describe('jwt_bearer with claims that we sign', () => {
  const signing = (more: Record<string, unknown> = {}) => ({
    grant: 'jwt_bearer',
    subject: {
      sign: { key: { fromFile: 'key' }, alg: 'RS256', issuer: 'robot@acme.example', audience: 'https://login.acme.example/token', ...more },
    },
  });

  test('T16 has the claims of RFC 7523 §3, and those of the config', async () => {
    await put('key', KEYS.rsa);
    const { get, clock } = await source(
      signing({ kid: 'k1', subject: 'ann@acme.example', claims: { scope: 'a b', nested: { list: [1, null] } } }),
    );
    await get();
    const { header, claims } = decoded(sent()['assertion']);
    const now = clock.now() / 1000;
    expect(header).toEqual({ alg: 'RS256', typ: 'JWT', kid: 'k1' });
    expect(claims).toEqual({
      scope: 'a b',
      nested: { list: [1, null] },
      iss: 'robot@acme.example',
      sub: 'ann@acme.example',
      aud: 'https://login.acme.example/token',
      iat: now,
      exp: now + 300,
      jti: expect.stringMatching(/^[0-9a-f-]{36}$/),
    });
  });

  test('T16 leaves out what is not configured, names several audiences as a list, and lasts as long as it is told', async () => {
    await put('key', KEYS.rsa);
    const { get } = await source(signing({ audience: ['a', 'b'], lifetime: '1m' }));
    await get();
    const { header, claims } = decoded(sent()['assertion']);
    expect(header).toEqual({ alg: 'RS256', typ: 'JWT' });
    expect(Object.keys(claims).sort()).toEqual(['aud', 'exp', 'iat', 'iss', 'jti']);
    expect(claims['aud']).toEqual(['a', 'b']);
    expect((claims['exp'] as number) - (claims['iat'] as number)).toBe(60);
  });

  test('T16 is made anew for each grant: another jti, another iat', async () => {
    await put('key', KEYS.ec);
    const { get, clock } = await source(signing({ alg: 'ES256' }));
    await get();
    await clock.advance(7_000);
    await get();
    const [first, second] = [decoded(sent(0)['assertion']).claims, decoded(sent(1)['assertion']).claims];
    expect(first['jti']).not.toBe(second['jti']);
    expect((second['iat'] as number) - (first['iat'] as number)).toBe(7);
    expect((second['exp'] as number) - (first['exp'] as number)).toBe(7);
  });

  test('T05 T16 is made anew for each client secret of a list: no assertion is sent twice', async () => {
    await put('key', KEYS.ec);
    const secret = ['old', 'new'].map((unsafeInline) => ({ unsafeInline }));
    const { get } = await source({
      ...signing({ alg: 'ES256' }),
      clientId: 'orders-sidecar',
      clientAuthentication: { method: 'client_secret_post', secret },
    });
    answer = () => (sent(server.requests.length - 1)['client_secret'] === 'new' ? tokenAnswer() : oauthError('invalid_client', 401));
    await get();
    expect([sent(0)['client_secret'], sent(1)['client_secret']]).toEqual(['old', 'new']);
    expect(decoded(sent(0)['assertion']).claims['jti']).not.toBe(decoded(sent(1)['assertion']).claims['jti']);
  });

  test('T05 T16 stands beside an assertion of the client, each with a key and an audience of its own', async () => {
    await put('key', KEYS.ec);
    await put('client-key', KEYS.rsa);
    const { get } = await source({
      ...signing({ alg: 'ES256' }),
      clientId: 'orders-sidecar',
      clientAuthentication: { method: 'private_key_jwt', key: { fromFile: 'client-key' } },
    });
    await get();
    const [grant, client] = [decoded(sent()['assertion']), decoded(sent()['client_assertion'])];
    expect([grant.header, client.header]).toMatchObject([{ alg: 'ES256' }, { alg: 'RS256' }]);
    expect([grant.claims, client.claims]).toMatchObject([
      { iss: 'robot@acme.example', aud: 'https://login.acme.example/token' },
      { iss: 'orders-sidecar', aud: `${server.url}/token` },
    ]);
  });

  test.each([
    ['RS256', 'rsa', { padding: constants.RSA_PKCS1_PADDING }],
    ['PS256', 'rsa', { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: 32 }],
    ['ES256', 'ec', { dsaEncoding: 'ieee-p1363' }],
    ['EdDSA', 'ed', {}],
  ] as const)('T16 %s can be verified with the public key', async (alg, kind, options) => {
    await put('key', KEYS[kind]);
    await (await source(signing({ alg }))).get();
    const { input, signature } = decoded(sent()['assertion']);
    const key = createPublicKey(KEYS[kind]);
    expect(verify(alg === 'EdDSA' ? null : 'sha256', input, { key, ...options }, signature)).toBe(true);
    expect(verify(alg === 'EdDSA' ? null : 'sha256', Buffer.concat([input, Buffer.from('x')]), { key, ...options }, signature)).toBe(false);
  });
});

describe('saml2_bearer', () => {
  const XML = '<?xml version="1.0"?>\n<saml:Assertion ID="_1"><saml:Issuer>idp é</saml:Issuer>???>>></saml:Assertion>';

  test('T01 sends the XML in base64url, without padding and line breaks (RFC 7522 §2.1), read anew for each grant', async () => {
    await put('assertion', `${XML}\n`);
    const { get } = await source({ grant: 'saml2_bearer', subject: { fromFile: 'assertion' } });
    await get();
    await put('assertion', '<Assertion/><Assertion>2</Assertion>');
    await get();
    expect(sent()).toEqual({
      grant_type: 'urn:ietf:params:oauth:grant-type:saml2-bearer',
      assertion: Buffer.from(XML).toString('base64url'),
    });
    expect(sent()['assertion']).toMatch(/^[\w-]+$/);
    expect(Buffer.from(sent()['assertion'] ?? '', 'base64url').toString()).toBe(XML);
    expect(sent(1)['assertion']).not.toBe(sent(0)['assertion']);
  });

  test('T01 sends a client where one is configured', async () => {
    const { get } = await source({ grant: 'saml2_bearer', subject: { unsafeInline: XML }, clientId: 'orders-sidecar' });
    await get();
    expect(sent()).toMatchObject({ client_id: 'orders-sidecar' });
  });
});
