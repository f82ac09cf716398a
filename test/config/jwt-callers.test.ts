import { beforeAll, describe, expect, test } from '@jest/globals';
import { createSigningKey, type SigningKey } from '../helpers/issuer.ts';
import { bent, type Loose, said, useDirectory, verdict } from './fixture.ts';

const directory = useDirectory();
let key: SigningKey;
beforeAll(async () => {
  key = await createSigningKey('RS256');
});

const USUAL = { issuer: 'https://idp.example/realm', audience: 'token-broker', claims: { sub: 'batch-*' } };

/** What is said of callers that are known by a JWT, problems and warnings. */
async function judged(...callers: Loose[]): Promise<string[]> {
  const config = bent((raw) => {
    raw['listeners'].local.authenticate = ['jwt'];
    raw['callers'] = Object.fromEntries(callers.map((jwt, index) => [`c${index + 1}`, { jwt: { ...USUAL, ...jwt } }]));
    raw['routes'].orders.callers = ['*'];
  });
  const { problems, warnings } = await verdict(directory.path('sidecar.config.json'), config);
  return said([...problems, ...warnings]);
}

describe('callers with "jwt"', () => {
  test('need an issuer, an audience and a claim', async () => {
    expect(await judged({})).toEqual([]);
    expect(await judged({ issuer: undefined, audience: undefined, claims: undefined })).toHaveLength(3);
    expect(await judged({ claims: {} })).toEqual([
      'callers.c1.jwt.claims is empty: it would let in whoever has a token of the issuer; name at least one claim',
    ]);
    expect(await judged({ claims: { sub: null } })).toEqual([expect.stringContaining('callers.c1.jwt.claims.sub is no claim')]);
  });

  test.each(['HS256', 'none', 'RSA-OAEP', 'ES256K'])('never take the algorithm %s', async (algorithm) => {
    expect(await judged({ algorithms: ['RS256', algorithm] })).toEqual([
      expect.stringContaining('callers.c1.jwt.algorithms[1] is not an algorithm that is accepted; use RS256'),
    ]);
  });

  test.each([
    ['kubernetes/serviceaccount', 'is no https URL where keys could be found'],
    ['https://user@idp.example', 'is no https URL where keys could be found'],
    ['http://idp.example', 'is http to a host that is not loopback, where others could put keys of their own; use https'],
  ])('whose issuer is %s say where the keys are', async (issuer, expected) => {
    expect(await judged({ issuer })).toEqual([expect.stringContaining(`callers.c1.jwt.issuer ${expected}`)]);
    expect(await judged({ issuer, jwksUri: 'https://idp.example/keys' })).toEqual([]);
    expect(await judged({ issuer, keys: key.pem })).toEqual([]);
  });

  test('may have their issuer on loopback by http', async () => {
    expect(await judged({ issuer: 'http://127.0.0.1:9999' })).toEqual([]);
  });

  test('find their keys in one place, that the config names where a token is sent there', async () => {
    expect(await judged({ jwksUri: 'http://idp.example/keys' })).toEqual([
      expect.stringContaining('callers.c1.jwt.jwksUri is http to a host'),
    ]);
    expect(await judged({ jwksUri: 'https://idp.example/keys', keys: key.pem })).toEqual([
      expect.stringContaining('callers.c1.jwt.keys stands beside "jwksUri"'),
    ]);
    expect(await judged({ bearerToken: { unsafeInline: 'abc' } })).toEqual([
      'callers.c1.jwt.bearerToken needs "jwksUri": it is not sent to a place that others name',
      expect.stringContaining('unsafeInline stands in the config itself'),
    ]);
  });

  test('take keys that check signatures, and nothing that could make them', async () => {
    expect(await judged({ keys: JSON.stringify({ keys: [key.jwk, { kty: 'RSA', n: 'AQAB', e: 'AQAB' }] }) })).toEqual([]);
    const secret = 'callers.c1.jwt.keys holds a key that is not public, and could sign; give the public keys alone';
    expect(await judged({ keys: '-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----' })).toEqual([secret]);
    expect(await judged({ keys: JSON.stringify({ keys: [key.jwk, { kty: 'oct', k: 'c2VjcmV0' }] }) })).toEqual([secret]);
    expect(await judged({ keys: JSON.stringify({ keys: [{ ...key.jwk, d: 'AQAB' }] }) })).toEqual([secret]);
    const weak = JSON.stringify({ keys: [{ kty: 'RSA', n: Buffer.alloc(128, 255).toString('base64url'), e: 'AQAB' }] });
    for (const keys of ['hello', '{}', '{"keys":[]}', 'null', weak, key.pem.replace('MII', 'AAA')])
      expect(await judged({ keys })).toEqual([expect.stringContaining('callers.c1.jwt.keys holds no public key for signatures; give PEM')]);
  });

  test('that fit the same tokens are told, and not those of which one is the narrower', async () => {
    const same = ['callers.c2.jwt fits the same tokens as "callers.c1.jwt"; each caller needs its own'];
    expect(await judged({}, {})).toEqual(same);
    expect(await judged({ claims: { sub: ['batch-*', 'batch-7'] } }, {})).toEqual(same);
    expect(await judged({}, { claims: { sub: 'batch-*', env: 'live' } })).toEqual([]);
    expect(await judged({}, { claims: { sub: 'batch-7' } })).toEqual([]);
    expect(await judged({ claims: { sub: ['a', 'b'] } }, { claims: { sub: 'b' } })).toEqual([]);
    expect(await judged({ claims: { sub: 'batch-7' } }, {})).toEqual([]);
    expect(await judged({}, { audience: 'else' })).toEqual([]);
    expect(await judged({}, { issuer: 'https://else.example' })).toEqual([]);
    expect(await judged({}, { keys: key.pem })).toEqual([]);
    expect(await judged({}, { claims: { sub: 'other' } })).toEqual([]);
  });
});

describe('a listener with "jwt"', () => {
  test('needs TLS where it is not loopback, since tokens travel', async () => {
    const config = (more: Loose) =>
      bent((raw) => {
        raw['listeners'].local = { address: '0.0.0.0:0', authenticate: ['jwt'], ...more };
        raw['callers'].app.jwt = USUAL;
      });
    const file = directory.path('listener.config.json');
    expect(said((await verdict(file, config({}))).problems)).toEqual([
      expect.stringContaining('listeners.local.address takes tokens without TLS on an address that is not loopback'),
    ]);
    expect((await verdict(file, config({ unsafePlaintext: true }))).problems).toEqual([]);
  });

  test('lets nobody in where no caller has it', async () => {
    const config = bent((raw) => {
      raw['listeners'].local.authenticate = ['jwt'];
    });
    const { warnings } = await verdict(directory.path('nobody.config.json'), config);
    expect(said(warnings)).toEqual([expect.stringContaining('listeners.local.authenticate lets nobody in')]);
  });
});
