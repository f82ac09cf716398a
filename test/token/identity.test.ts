import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { authorizationServer } from '../../src/config/schema/authorization-servers.ts';
import { type GrantConfig, token as tokenSchema } from '../../src/config/schema/tokens.ts';
import { tokenIdentity } from '../../src/token/identity.ts';
import { createSelfSigned } from '../helpers/certificates.ts';

const name = fc.string({ minLength: 1, maxLength: 8 });
/** Filled, as the loader would have it: with the same text, whatever the reference. */
const reference = fc.oneof(
  fc.record({ fromEnv: fc.constantFrom('a', 'b') }),
  fc.record({ fromFile: fc.constantFrom('a', 'b') }),
  fc.record({ unsafeInline: fc.constantFrom('a', 'b') }),
);
const jwtReference = fc.oneof(fc.record({ fromFile: name }), fc.record({ unsafeInline: fc.constantFrom('a.b.c', 'a.b.d') }));
const signed = fc.record({
  key: fc.constant({ fromEnv: 'KEY' }),
  alg: fc.constant('RS256'),
  issuer: name,
  subject: fc.option(name, { nil: undefined }),
  audience: fc.array(name, { minLength: 1, maxLength: 2 }),
  claims: fc.option(fc.record({ scope: name, more: fc.json() }), { nil: undefined }),
});
const tokenType = fc.constantFrom('urn:a', 'urn:b');
const scopeName = fc.constantFrom('a', 'b', 'ab', 'orders.read');

/** Everything of a token's config that can change what it is worth. */
const inputs = fc.record({
  issuer: fc.constantFrom('https://a.example', 'https://a.example/', 'https://a.example/b'),
  tokenEndpoint: fc.option(fc.constantFrom('https://a.example/token', 'https://b.example/token'), { nil: undefined }),
  method: fc.constantFrom('client_secret_basic', 'client_secret_post', 'client_secret_jwt'),
  clientId: name,
  scope: fc.option(
    fc.uniqueArray(scopeName, { minLength: 1 }).map((names) => names.sort().join(' ')),
    { nil: undefined },
  ),
  onMissingScope: fc.constantFrom('warn', 'refuse'),
  audience: fc.option(fc.array(name, { minLength: 1, maxLength: 2 }), { nil: undefined }),
  resource: fc.option(fc.array(fc.constantFrom('https://r.example', 'https://r.example/x'), { minLength: 1, maxLength: 2 }), {
    nil: undefined,
  }),
  parameters: fc.option(fc.dictionary(fc.constantFrom('x', 'y', 'xy'), name, { maxKeys: 2 }), { nil: undefined }),
  upstreamFrom: fc.option(
    fc.record({
      field: fc.constantFrom('f', 'g'),
      allow: fc.uniqueArray(fc.constantFrom('https://a.b', 'https://*.a.b'), { minLength: 1 }),
    }),
    { nil: undefined },
  ),
  of: fc.oneof(
    fc.constant({ grant: 'client_credentials' }),
    fc.record({ grant: fc.constant('password'), resourceOwner: fc.record({ username: name, password: fc.constant({ fromEnv: 'P' }) }) }),
    fc.record({ grant: fc.constant('refresh_token'), refreshToken: reference }),
    fc.record({
      grant: fc.constant('token_exchange'),
      subject: reference,
      subjectTokenType: tokenType,
      requestedTokenType: fc.option(tokenType, { nil: undefined }),
      actor: fc.option(fc.record({ token: reference, tokenType }), { nil: undefined }),
    }),
    fc.record({ grant: fc.constant('jwt_bearer'), subject: fc.oneof(jwtReference, fc.record({ sign: signed })) }),
    fc.record({ grant: fc.constant('saml2_bearer'), subject: fc.record({ fromFile: name }) }),
  ),
});

const CLIENT_CREDENTIALS = { grant: 'client_credentials' };

type Inputs = typeof inputs extends fc.Arbitrary<infer T> ? T : never;

function identityOf(given: Inputs, secret = 'secret'): string {
  const { issuer, tokenEndpoint, method, of, ...rest } = given;
  const server = authorizationServer.parse({ issuer, tokenEndpoint });
  return tokenIdentity(
    tokenSchema.parse({
      authorizationServer: 'as',
      clientAuthentication: { method, secret: { unsafeInline: secret } },
      ...rest,
      ...of,
    }) as GrantConfig,
    server,
  );
}

const canonical = (given: Inputs) => JSON.stringify({ ...given, parameters: Object.entries(given.parameters ?? {}).sort() });

describe('token identity', () => {
  test('C01 any difference in any input gives another identity, and no difference gives the same', () => {
    fc.assert(
      fc.property(inputs, inputs, (a, b) => {
        expect(identityOf(a) === identityOf(b)).toBe(canonical(a) === canonical(b));
      }),
      { numRuns: 500 },
    );
  });

  test('C01 is of fixed length and holds no secret material', () => {
    const given = { issuer: 'https://a.example', method: 'client_secret_basic', clientId: 'c', of: CLIENT_CREDENTIALS } as Inputs;
    expect(identityOf(given, 'one')).toMatch(/^[0-9a-f]{64}$/);
    expect(identityOf(given, 'one')).toBe(identityOf(given, 'another'));
  });

  test('C01 a client certificate counts, since tokens may be bound to it (RFC 8705 §3); its key does not', async () => {
    const [one, other] = [await createSelfSigned({ commonName: 'c' }), await createSelfSigned({ commonName: 'c' })];
    const server = authorizationServer.parse({ issuer: 'https://a.example' });
    const identityWith = (certificate: string, key: string) =>
      tokenIdentity(
        tokenSchema.parse({
          authorizationServer: 'as',
          grant: 'client_credentials',
          clientId: 'c',
          clientAuthentication: { method: 'tls_client_auth', certificate, key: { unsafeInline: key } },
        }) as GrantConfig,
        server,
      );
    expect(identityWith(one.cert, one.key)).not.toBe(identityWith(other.cert, other.key));
    expect(identityWith(one.cert, one.key)).toBe(identityWith(one.cert, other.key));
  });

  test('C01 a certificate that only binds the token counts like one that proves the client', async () => {
    const [one, other] = [await createSelfSigned({ commonName: 'c' }), await createSelfSigned({ commonName: 'c' })];
    const server = authorizationServer.parse({ issuer: 'https://a.example' });
    const identityWith = (certificateBound: unknown) =>
      tokenIdentity(
        tokenSchema.parse({
          authorizationServer: 'as',
          grant: 'client_credentials',
          clientId: 'c',
          clientAuthentication: { method: 'none' },
          certificateBound,
        }) as GrantConfig,
        server,
      );
    const bound = [one, other].map(({ cert, key }) => identityWith({ certificate: cert, key: { unsafeInline: key } }));
    expect(new Set([...bound, identityWith(false)]).size).toBe(3);
  });

  test('C01 as what a client was registered counts, and where that is kept does not', () => {
    const server = authorizationServer.parse({ issuer: 'https://a.example' });
    const identityWith = (registration: object) =>
      tokenIdentity(
        tokenSchema.parse({
          authorizationServer: 'as',
          grant: 'client_credentials',
          registration: { persist: 'kept', persistKey: { fromEnv: 'KEY' }, ...registration },
        }) as GrantConfig,
        server,
      );
    const one = identityWith({});
    expect(identityWith({ persist: 'elsewhere' })).toBe(one);
    const others = [{ metadata: { client_name: 'x' } }, { clientAuthentication: { method: 'client_secret_post' } }].map(identityWith);
    expect(new Set([one, ...others]).size).toBe(3);
  });

  test('C01 the order of scopes does not count', () => {
    const given = { issuer: 'https://a.example', method: 'client_secret_basic', clientId: 'c', of: CLIENT_CREDENTIALS } as Inputs;
    expect(identityOf({ ...given, scope: 'a b' })).toBe(identityOf({ ...given, scope: 'b a' }));
  });
});
