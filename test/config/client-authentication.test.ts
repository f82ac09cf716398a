/** `tokens.*.clientAuthentication`: each method has exactly its keys, and what they hold fits together. */

import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { describe, expect, test } from '@jest/globals';
import { formatProblem } from '../../src/config/problem.ts';
import { createAuthority, createSelfSigned, type Identity } from '../helpers/certificates.ts';
import { bent, said, useDirectory, verdict } from './fixture.ts';

const directory = useDirectory();
const AT = 'tokens.orders.clientAuthentication';

const inline = (text: string) => ({ unsafeInline: text });
const pem = (key: KeyObject) => key.export({ type: 'pkcs8', format: 'pem' }).toString();
const EC = pem(generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey);
const JWT = ['{}', '{}', 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.');

async function judged(clientAuthentication: unknown, more: object = {}, server: object = { issuer: 'https://login.example' }) {
  const config = bent(({ tokens, authorizationServers }) => {
    Object.assign(tokens.orders, more, { clientAuthentication });
    authorizationServers.acme = server;
  });
  const { problems, warnings } = await verdict(directory.path('sidecar.config.json'), config);
  const inlined = /unsafeInline stands in the config itself/;
  return {
    problems: said(problems).map((line) => line.replace(AT, '').trimStart()),
    warnings: said(warnings)
      .filter((line) => !inlined.test(line))
      .map((line) => line.replace(AT, '').trimStart()),
  };
}

const problemsOf = async (...given: Parameters<typeof judged>) => (await judged(...given)).problems;

describe('client authentication methods', () => {
  let identity: Identity;
  const pair = () => ({ certificate: identity.cert, key: inline(identity.key) });

  test.each<[string, () => unknown]>([
    ['the default', () => ({ secret: inline('s') })],
    ['client_secret_basic', () => ({ method: 'client_secret_basic', secret: [inline('new'), inline('old')], encoding: 'raw' })],
    ['client_secret_post', () => ({ method: 'client_secret_post', secret: inline('s') })],
    ['client_secret_jwt', () => ({ method: 'client_secret_jwt', secret: inline('s'), alg: 'HS512', audience: 'https://as.example' })],
    ['private_key_jwt', () => ({ method: 'private_key_jwt', key: inline(EC), alg: 'ES256', kid: '2026-11', audience: 'x' })],
    ['private_key_jwt with a certificate', () => ({ method: 'private_key_jwt', ...pair() })],
    ['private_key_jwt with a file', () => ({ method: 'private_key_jwt', assertion: inline(JWT), assertionType: 'urn:x' })],
    ['tls_client_auth', () => ({ method: 'tls_client_auth', ...pair() })],
    ['self_signed_tls_client_auth', () => ({ method: 'self_signed_tls_client_auth', ...pair() })],
  ])('%s is accepted', async (_what, config) => {
    identity = await createSelfSigned({ commonName: 'client' });
    expect(await judged(config())).toEqual({ problems: [], warnings: [] });
  });

  test.each<[string, unknown, string[]]>([
    [
      'another method',
      { method: 'client_secret_digest', secret: inline('s') },
      [
        '.method is not a supported client authentication method; use one of "client_secret_basic", "client_secret_post", "client_secret_jwt", "private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth", "none"',
      ],
    ],
    [
      'a key of another method',
      { method: 'client_secret_post', secret: inline('s'), encoding: 'raw' },
      ['.encoding is not a known key; remove it, or use one of: method, secret'],
    ],
    ['a secret for none', { method: 'none', secret: inline('s') }, ['.secret is not a known key; remove it, or use one of: method']],
    ['no secret', { method: 'client_secret_jwt' }, ['.secret is missing; give an object such as { "fromEnv": "NAME" }']],
    ['an empty list', { secret: [] }, ['.secret is an empty list; give at least one']],
    [
      'a plain secret in a list',
      { secret: [inline('s'), 'plain'] },
      ['.secret[1] is not a reference; write { "fromEnv": "NAME" }, { "fromFile": "path" } or, for a demo, { "unsafeInline": "…" }'],
    ],
    ['neither key nor assertion', { method: 'private_key_jwt' }, ['needs either "key" or "assertion"']],
    ['both', { method: 'private_key_jwt', key: inline(EC), assertion: inline(JWT) }, ['needs either "key" or "assertion"']],
    [
      'what belongs to a key beside an assertion',
      { method: 'private_key_jwt', assertion: inline(JWT), kid: 'x', audience: 'x' },
      ['.audience is for "key" only; remove it', '.kid is for "key" only; remove it'],
    ],
    [
      'what belongs to an assertion beside a key',
      { method: 'private_key_jwt', key: inline(EC), assertionType: 'urn:x' },
      ['.assertionType is for "assertion" only; remove it'],
    ],
    [
      'an assertion that is none',
      { method: 'private_key_jwt', assertion: inline('x') },
      ['.assertion holds no signed JWT; give three base64url parts joined by "."'],
    ],
    ['no key', { method: 'private_key_jwt', key: inline('x') }, ['.key holds no private key; give PEM text with "BEGIN PRIVATE KEY"']],
    [
      'a short RSA key',
      { method: 'private_key_jwt', key: inline(pem(generateKeyPairSync('rsa', { modulusLength: 1024 }).privateKey)) },
      ['.key holds a private key that cannot sign assertions; use RSA of 2048 bits or more, P-256 or Ed25519'],
    ],
    [
      'a key of another curve',
      { method: 'private_key_jwt', key: inline(pem(generateKeyPairSync('ec', { namedCurve: 'P-384' }).privateKey)) },
      ['.key holds a private key that cannot sign assertions; use RSA of 2048 bits or more, P-256 or Ed25519'],
    ],
    [
      'an alg that does not fit',
      { method: 'private_key_jwt', key: inline(EC), alg: 'RS256' },
      ['.alg does not fit the key; remove it, or use "ES256"'],
    ],
    [
      'an unknown alg',
      { method: 'private_key_jwt', key: inline(EC), alg: 'none' },
      ['.alg must be one of "RS256", "PS256", "ES256", "EdDSA"'],
    ],
    [
      'no certificate',
      { method: 'tls_client_auth', key: inline(EC) },
      ['.certificate is missing; give an object such as { "fromEnv": "NAME" }'],
    ],
    [
      'a broken certificate',
      { method: 'tls_client_auth', key: inline(EC), certificate: 'x' },
      ['.certificate holds no certificate; give PEM text with "BEGIN CERTIFICATE"'],
    ],
  ])('%s is refused', async (_what, config, expected) => {
    expect((await problemsOf(config)).sort()).toEqual(expected);
  });

  test.each(['private_key_jwt', 'tls_client_auth', 'self_signed_tls_client_auth'])(
    '%s with a key of another certificate is refused',
    async (method) => {
      const { cert } = await (await createAuthority()).issueClient({ commonName: 'client' });
      expect(await problemsOf({ method, certificate: cert, key: inline(EC) })).toEqual([
        '.key does not belong to the certificate in "certificate"; give the key it was issued for',
      ]);
    },
  );

  test('raw credentials with a colon in the client id are refused: they could be read in two ways', async () => {
    expect(await problemsOf({ secret: inline('s'), encoding: 'raw' }, { clientId: 'a:b' })).toEqual([
      '.encoding cannot be "raw" with a ":" in "clientId", which would end it (RFC 7617 §2); use "form"',
    ]);
    expect(await problemsOf({ secret: inline('s') }, { clientId: 'a:b' })).toEqual([]);
  });

  test.each([{ issuer: 'http://127.0.0.1:1' }, { tokenEndpoint: 'http://127.0.0.1:1/token', issuer: 'https://login.example' }])(
    'a client certificate for a server without TLS is refused: %j',
    async (server) => {
      const { cert, key } = await createSelfSigned({ commonName: 'client' });
      expect(await problemsOf({ method: 'tls_client_auth', certificate: cert, key: inline(key) }, {}, server)).toEqual([
        '.method needs TLS, and the authorization server is http; use https there, or another method',
      ]);
    },
  );

  test('client_credentials that prove nothing are warned about, a password that does not need it is not', async () => {
    expect(await judged({ method: 'none' })).toEqual({
      problems: [],
      warnings: ['.method proves nothing: whoever knows "clientId" can get the same token; use a method that proves something'],
    });
    const resourceOwner = { username: 'u', password: { fromEnv: 'CLIENT_SECRET' } };
    expect(await judged({ method: 'none' }, { grant: 'password', resourceOwner })).toEqual({ problems: [], warnings: [] });
  });

  test('K01 problems are placed where they are, inside a list too', async () => {
    const config = bent(({ tokens }) => {
      tokens.orders.clientAuthentication = { secret: [{ fromEnv: 'CLIENT_SECRET' }, { fromEnv: 'NOT_SET' }] };
    });
    const { problems } = await verdict(directory.path('placed.json'), config);
    const [line] = problems.map(formatProblem);
    expect(line).toContain(`"${AT}.secret[1].fromEnv" names an environment variable that is not set`);
    expect(line).toMatch(/placed\.json:3\d:\d+:/);
  });
});
