import { createHmac } from 'node:crypto';
import { afterEach, beforeAll, describe, expect, jest, test } from '@jest/globals';
import { createJwtCheck, type JwtCheck } from '../../src/caller/jwt.ts';
import { caller } from '../../src/config/schema/callers.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { claimsAt, createSigningKey, type SigningKey } from '../helpers/issuer.ts';

const ISSUER = 'https://idp.example';
const BATCH = { name: 'batch', method: 'jwt', endsAt: expect.any(Number) };

let clock: FakeClock;
let key: SigningKey;
let rsa: SigningKey;
let check: JwtCheck | undefined;
beforeAll(async () => {
  clock = new FakeClock();
  [key, rsa] = await Promise.all([createSigningKey('ES256', 'one'), createSigningKey('RS256', 'two')]);
});
afterEach(() => check?.close());

/** Why tokens were refused, by the check that was started last. */
let faults: string[] = [];

const set = (...keys: SigningKey[]) => JSON.stringify({ keys: keys.map(({ jwk }) => jwk) });

/** A check of one caller, `batch`, whose issuer has these keys. */
function start(jwt: Record<string, unknown> = {}, callers: Record<string, Record<string, unknown>> = {}): JwtCheck {
  const usual = { issuer: ISSUER, audience: 'token-broker', claims: { sub: 'batch-*' }, keys: set(key, rsa) };
  const parsed = Object.entries({ batch: jwt, ...callers }).map(([name, given]) => [name, caller.parse({ jwt: { ...usual, ...given } })]);
  const observer = { changed: () => {}, failed: () => {} };
  faults = [];
  check = createJwtCheck({ callers: Object.fromEntries(parsed), clock, observer, onRefused: (fault) => faults.push(fault) });
  return check;
}

const judge = async (token: string) => check?.judge(`Bearer ${token}`);
const claims = (more: Record<string, unknown> = {}) => claimsAt(clock.now(), ISSUER, more);
const seconds = (more: number) => Math.floor(clock.now() / 1000) + more;
const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

describe('a JWT of a caller', () => {
  test.each(['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA'])(
    'signed by %s is taken, its key being given as a set, as PEM or in a certificate',
    async (alg) => {
      const own = await createSigningKey(alg);
      const token = await own.sign(claims());
      for (const keys of [set(own), own.pem, `${key.pem}\n${own.pem}`]) {
        start({ keys });
        expect(await judge(token)).toEqual(BATCH);
      }
      start({ keys: set(own), algorithms: ['ES256', 'RS256'].filter((other) => other !== alg) });
      expect(await judge(token)).toBe('refused');
    },
  );

  test('a certificate gives its key', async () => {
    const { leaf } = await (await createAuthority()).issueServer();
    start({ keys: `${leaf}${key.pem}` });
    expect(await judge(await key.sign(claims(), { kid: undefined }))).toEqual(BATCH);
  });

  test('is refused with a reason for the log', async () => {
    start();
    const refused: Record<string, () => Promise<string>> = {
      unknown_issuer: () => key.sign(claims({ iss: `${ISSUER}/` })),
      unknown_claims: () => key.sign(claims({ sub: 'other-7' })),
      for_others: () => key.sign(claims({ aud: 'other' })),
      expired: () => key.sign(claims({ exp: seconds(-30) })),
      not_yet_good: () => key.sign(claims({ nbf: seconds(31) })),
      bound_to_a_key: () => key.sign(claims({ cnf: { jkt: 'x' } })),
      forged: async () => (await createSigningKey('ES256', 'one')).sign(claims()),
      malformed: () => key.sign(claims({ exp: undefined })),
    };
    for (const make of Object.values(refused)) expect(await judge(await make())).toBe('refused');
    expect(faults).toEqual(Object.keys(refused));
  });

  const good: [string, () => Promise<string>][] = [
    ['with several audiences', () => key.sign(claims({ aud: ['else', 'token-broker'] }))],
    ['without a type', () => key.sign(claims(), { typ: undefined })],
    ['of the type of access tokens', () => key.sign(claims(), { typ: 'at+jwt' })],
    ['of that type in full', () => key.sign(claims(), { typ: 'application/AT+JWT' })],
    ['that names no key', () => key.sign(claims(), { kid: undefined })],
    ['that ended within the tolerance', () => key.sign(claims({ exp: seconds(-29) }))],
    ['that begins within the tolerance', () => key.sign(claims({ nbf: seconds(29), iat: seconds(29) }))],
    ['without iat', () => key.sign(claims({ iat: undefined }))],
  ];
  test.each(good)('is taken %s', async (_what, make) => {
    start();
    expect(await judge(await make())).toEqual(BATCH);
  });

  const hmac = (secret: string) => {
    const signed = `${part({ alg: 'HS256', kid: 'two' })}.${part(claims())}`;
    return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
  };
  const bad: [string, () => Promise<string> | string][] = [
    ['of another issuer', () => key.sign(claims({ iss: `${ISSUER}/` }))],
    ['of no issuer', () => key.sign(claims({ iss: undefined }))],
    ['for another audience', () => key.sign(claims({ aud: 'token-broker2' }))],
    ['for no audience', () => key.sign(claims({ aud: undefined }))],
    ['for an audience that is no text', () => key.sign(claims({ aud: [['token-broker']] }))],
    ['of somebody else', () => key.sign(claims({ sub: 'other-7' }))],
    ['that has ended', () => key.sign(claims({ exp: seconds(-30) }))],
    ['that never ends', () => key.sign(claims({ exp: undefined }))],
    ['whose end is a text', () => key.sign(claims({ exp: String(seconds(60)) }))],
    ['that is not valid yet', () => key.sign(claims({ nbf: seconds(31) }))],
    ['from the future', () => key.sign(claims({ iat: seconds(31) }))],
    ['without signature', async () => `${(await key.sign(claims())).split('.').slice(0, 2).join('.')}.`],
    ['with alg none', () => `${part({ alg: 'none' })}.${part(claims())}.AAAA`],
    ['signed by HMAC with the public key as PEM', () => hmac(rsa.pem)],
    ['signed by HMAC with the public key as it stands in the set', () => hmac(JSON.stringify(rsa.jwk))],
    [
      'signed by a key that it brings',
      async () => {
        const own = await createSigningKey('ES256', 'one');
        return own.sign(claims(), { jwk: own.jwk });
      },
    ],
    [
      'signed by a key that it says where to find',
      async () => (await createSigningKey()).sign(claims(), { jku: 'https://evil.example/keys' }),
    ],
    ['signed by another key of the same name', async () => (await createSigningKey('ES256', 'one')).sign(claims())],
    ['signed by a key nobody knows', async () => (await createSigningKey()).sign(claims())],
    ['signed by nobody known, and naming no key', async () => (await createSigningKey()).sign(claims(), { kid: undefined })],
    ['that names the key of another algorithm', async () => (await createSigningKey('ES256', 'two')).sign(claims())],
    ['with an extension that must be understood', () => key.sign(claims(), { crit: ['x'], x: 1 })],
    ['of another type', () => key.sign(claims(), { typ: 'logout+jwt' })],
    ['of a type that is no text', () => key.sign(claims(), { typ: 7 })],
    ['that is bound to a key', () => key.sign(claims({ cnf: { jkt: 'x' } }))],
    [
      'with other claims than were signed',
      async () => (await key.sign(claims())).replace(/\..*\./, `.${part(claims({ sub: 'batch-8' }))}.`),
    ],
    ['longer than 8 KiB', () => key.sign(claims({ padding: 'x'.repeat(8 * 1024) }))],
    ['that is encrypted', () => [part({ alg: 'dir', enc: 'A256GCM' }), '', 'AAAA', 'AAAA', 'AAAA'].join('.')],
    ['that is no JWT', () => 'opaque'],
    ['that holds no JSON', () => 'AAAA.AAAA.AAAA'],
    ['that holds no object', () => `${part({ alg: 'ES256' })}.${part([])}.AAAA`],
    ['with padding', async () => `${await key.sign(claims())}=`],
    ['with more behind it', async () => `${await key.sign(claims())} x`],
  ];
  test.each(bad)('B01 is refused %s', async (_what, make) => {
    start();
    expect(await judge(await make())).toBe('refused');
  });

  test('B02 the scheme may have any case and spaces behind it; no token is no token', async () => {
    start();
    const token = await key.sign(claims());
    expect(await check?.judge(`bEARER   ${token}`)).toEqual(BATCH);
    for (const text of ['Bearer', 'Bearer ', `Bearer\t${token}`, `Bearer "${token}"`, `Bearer ${token},${token}`])
      expect(await check?.judge(text)).toBe('refused');
  });

  test('of callers that it fits the narrowest is meant, whatever their order', async () => {
    const callers = {
      any: { claims: { sub: '*' } },
      some: { claims: { sub: ['batch-*', 'night-*'] } },
      many: { claims: { sub: 'batch-*' } },
      few: { claims: { sub: 'batch-eu-*' } },
      exact: { claims: { sub: 'batch-eu-7' } },
      both: { claims: { sub: '*', env: 'live' } },
      first: { claims: { roles: 'a' } },
      second: { claims: { roles: 'b' } },
    };
    for (const order of [Object.entries(callers), Object.entries(callers).reverse()]) {
      start({ claims: { sub: 'nobody' } }, Object.fromEntries(order));
      const nameOf = async (more: Record<string, unknown>) => ((await judge(await key.sign(claims(more)))) as { name: string }).name;
      expect(await nameOf({ sub: 'x' })).toBe('any');
      expect(await nameOf({ sub: 'night-1' })).toBe('some');
      expect(await nameOf({ sub: 'batch-1' })).toBe('many');
      expect(await nameOf({ sub: 'batch-eu-1' })).toBe('few');
      expect(await nameOf({ sub: 'batch-eu-7' })).toBe('exact');
      expect(await nameOf({ sub: 'batch-eu-7', env: 'live' })).toBe('both');
      expect(await nameOf({ sub: 'x:y', roles: ['b', 'a'] })).toBe('first');
    }
  });

  test('one that fits no caller of its issuer is nobody', async () => {
    start({}, { any: { claims: { sub: '*' } }, other: { issuer: 'https://else.example', claims: { sub: '*' } } });
    expect(await judge(await key.sign(claims()))).toEqual(BATCH);
    expect(await judge(await key.sign(claims({ sub: 'x' })))).toMatchObject({ name: 'any', method: 'jwt' });
    expect(await judge(await key.sign(claims({ sub: 'x', iss: 'https://else.example' })))).toMatchObject({ name: 'other', method: 'jwt' });
    expect(await judge(await key.sign(claims({ iss: 'https://third.example' })))).toBe('refused');
  });

  test('an issuer with other keys for one caller knows that caller by those alone', async () => {
    const own = await createSigningKey('ES256', 'one');
    start({}, { special: { keys: set(own) } });
    expect(await judge(await own.sign(claims()))).toMatchObject({ name: 'special', method: 'jwt' });
    expect(await judge(await key.sign(claims()))).toEqual(BATCH);
  });

  test('B04 one that nobody has signed costs its signature once, however many callers it fits', async () => {
    const roles = Array.from({ length: 20 }, (_, index) => `role-${index}`);
    const callers = Object.fromEntries(roles.map((role) => [role, { claims: { roles: role } }]));
    const stranger = await createSigningKey('ES256', 'one');
    const verify = jest.spyOn(crypto.subtle, 'verify');
    try {
      start({ claims: { roles: 'nobody' } }, callers);
      expect(await judge(await stranger.sign(claims({ roles })))).toBe('refused');
      expect(verify).toHaveBeenCalledTimes(1);
      expect(await judge(await key.sign(claims({ roles: ['role-7'] })))).toMatchObject({ name: 'role-7' });
    } finally {
      verify.mockRestore();
    }
  });

  test('B05 is verified once, then known at once, and not a moment longer than it lasts', async () => {
    const { judge: judgeField } = start({ clockTolerance: '5s' });
    const field = `Bearer ${await key.sign(claims({ exp: seconds(60) }))}`;
    const verdicts = await Promise.all(Array.from({ length: 100 }, async () => judgeField(field)));
    expect(new Set(verdicts).size).toBe(1);
    expect(judgeField(field)).toEqual(BATCH);
    clock.stepWall(64_000);
    expect(judgeField(field)).toEqual(BATCH);
    clock.stepWall(1_000);
    expect(await judgeField(field)).toBe('refused');
  });

  test('B05 is verified anew when the keys change, and refused when its own is gone', async () => {
    const parsed = caller.parse({ jwt: { issuer: ISSUER, audience: 'token-broker', claims: { sub: 'batch-*' }, keys: set(key, rsa) } });
    check = createJwtCheck({ callers: { batch: parsed }, clock, observer: { changed: () => {}, failed: () => {} } });
    const [one, two] = [`Bearer ${await key.sign(claims())}`, `Bearer ${await rsa.sign(claims())}`];
    expect([await check.judge(one), await check.judge(two)]).toEqual([BATCH, BATCH]);
    parsed.jwt?.keys?.fill(set(rsa));
    expect(await check.judge(one)).toBe('refused');
    expect(await check.judge(two)).toEqual(BATCH);
    expect(check.judge(two)).toEqual(BATCH);
  });
});
