/** Keys of an issuer that is slow, down, hostile, or changes them: callers are known by the last good ones, and it is left in peace. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals';
import { createJwtCheck, type JwtCheck } from '../../src/caller/jwt.ts';
import { loadConfig } from '../../src/config/load.ts';
import { caller } from '../../src/config/schema/callers.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { FakeClock, settle } from '../helpers/fake-clock.ts';
import { claimsAt, createSigningKey, type SigningKey, startIssuer, type TestIssuer } from '../helpers/issuer.ts';
import { answerWith, hang, hangUp, jsonAnswer } from '../helpers/scripted-answers.ts';
import type { Script } from '../helpers/scripted-server.ts';

const BATCH = { name: 'batch', method: 'jwt', endsAt: expect.any(Number) };

let clock: FakeClock;
let key: SigningKey;
let issuer: TestIssuer;
let check: JwtCheck | undefined;
let told: string[];
beforeAll(async () => {
  key = await createSigningKey();
});
beforeEach(async () => {
  clock = new FakeClock();
  issuer = await startIssuer([key.jwk]);
  told = [];
});
afterEach(async () => {
  await check?.close();
  await issuer.close();
});

function start(jwt: Record<string, unknown> = {}): void {
  const usual = { issuer: issuer.url, audience: 'token-broker', claims: { sub: '*' } };
  check = createJwtCheck({
    callers: { batch: caller.parse({ jwt: { ...usual, ...jwt } }) },
    clock,
    observer: {
      changed: (_issuer, size) => void told.push(`${size} keys`),
      failed: (_issuer, { reason }, serving) => void told.push(`${reason}${serving ? ', serving' : ''}`),
    },
  });
}

/** The same, as a config that follows has it. */
async function startNext(): Promise<void> {
  const before = check as JwtCheck;
  start();
  check?.follow(before);
  await before.close();
}

/** What becomes of a token of its own, so that nothing is remembered. */
let count = 0;
async function outcome(signing = key): Promise<unknown> {
  count += 1;
  return judge(await signing.sign(claimsAt(clock.now(), issuer.url, { jti: String(count) })));
}
const judge = async (token: string): Promise<unknown> => {
  try {
    return await check?.judge(`Bearer ${token}`);
  } catch (error) {
    const { code, status, retryAfterSeconds } = error as { code: string; status: number; retryAfterSeconds: number };
    return `${status} ${code} ${retryAfterSeconds}`;
  }
};
const UNVERIFIABLE = '503 CALLER_UNVERIFIABLE 2';

describe('keys of an issuer', () => {
  test('are discovered and read once, however many callers wait, and never for each call', async () => {
    start();
    expect(issuer.server.requests).toHaveLength(0);
    expect(await Promise.all(Array.from({ length: 50 }, () => outcome()))).toEqual(Array(50).fill(BATCH));
    for (let i = 0; i < 5; i += 1) await outcome();
    expect(issuer.server.requests.map(({ target }) => target)).toEqual(['/.well-known/openid-configuration', '/keys']);
    expect(told).toEqual(['1 keys']);
  });

  test('are there before the first caller when they are wanted ahead', async () => {
    start();
    check?.warmUp();
    await issuer.server.untilRequests(2);
    expect(await outcome()).toEqual(BATCH);
    expect(issuer.reads()).toBe(1);
  });

  test('are found by RFC 8414 where OpenID Connect discovery is 404', async () => {
    issuer.answer = ({ target }) => {
      if (target === '/keys') return jsonAnswer(200, { keys: issuer.keys });
      const found = target === '/.well-known/oauth-authorization-server';
      return found ? jsonAnswer(200, { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` }) : jsonAnswer(404, {});
    };
    start();
    expect(await outcome()).toEqual(BATCH);
  });

  test('a token that fits no caller, or is no JWT, has nothing read', async () => {
    start({ claims: { sub: 'batch-*' } });
    expect(await judge(await key.sign(claimsAt(clock.now(), issuer.url, { sub: 'other' })))).toBe('refused');
    expect(await judge(await key.sign(claimsAt(clock.now(), 'https://else.example')))).toBe('refused');
    expect(await judge('a.b.c')).toBe('refused');
    expect(issuer.server.requests).toHaveLength(0);
  });

  const troubles: [string, Script, string][] = [
    ['5xx', () => answerWith(503, []), 'http_503'],
    ['a redirect, which is not followed', () => answerWith(302, ['Location: /keys']), 'http_302'],
    ['a connection that ends', hangUp, 'econnreset'],
    ['no JSON', () => answerWith(200, ['Content-Type: application/json'], '<html>'), 'keys_missing'],
    ['no keys', () => jsonAnswer(200, { keys: [] }), 'keys_missing'],
    ['keys that are no list', () => jsonAnswer(200, { keys: { 0: key.jwk } }), 'keys_missing'],
    ['a shared secret alone', () => jsonAnswer(200, { keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: key.kid }] }), 'keys_missing'],
    ['keys that encrypt', () => jsonAnswer(200, { keys: [{ ...key.jwk, use: 'enc' }] }), 'keys_missing'],
    ['private keys', () => jsonAnswer(200, { keys: [{ ...key.jwk, d: 'AAAA' }] }), 'keys_missing'],
    ['more than 64 KiB', () => jsonAnswer(200, { keys: [key.jwk], x: 'x'.repeat(64 * 1024) }), 'answer_too_large'],
  ];
  test.each(troubles)(
    'with %s it is 503, neither let in nor refused; once they are had it goes on by itself',
    async (_what, trouble, reason) => {
      issuer.answer = (request, connection) => {
        if (request.target === '/keys') return trouble(request, connection);
        return jsonAnswer(200, { issuer: issuer.url, jwks_uri: `${issuer.url}/keys` });
      };
      start();
      expect(await outcome()).toBe(UNVERIFIABLE);
      expect(await outcome()).toBe(UNVERIFIABLE);
      expect(told).toEqual([reason]);
      expect(issuer.reads()).toBe(1);
      issuer.answer = undefined;
      await clock.advance(2_000);
      expect(await outcome()).toEqual(BATCH);
    },
  );

  test.each([
    ['another issuer', (url: string) => ({ issuer: `${url}/`, jwks_uri: `${url}/keys` }), /^issuer_mismatch|^oauth_/],
    ['no place of keys', (url: string) => ({ issuer: url }), /^jwks_uri_unacceptable$/],
    ['a place that is not secure', (url: string) => ({ issuer: url, jwks_uri: 'http://keys.example/' }), /^jwks_uri_unacceptable$/],
    ['a file', (url: string) => ({ issuer: url, jwks_uri: 'file:///etc/passwd' }), /^jwks_uri_unacceptable$/],
  ])('metadata that name %s are not believed', async (_what, metadata, reason) => {
    issuer.answer = ({ target }) => (target === '/keys' ? jsonAnswer(200, { keys: issuer.keys }) : jsonAnswer(200, metadata(issuer.url)));
    start();
    expect(await outcome()).toBe(UNVERIFIABLE);
    expect(told).toEqual([expect.stringMatching(reason)]);
    expect(issuer.reads()).toBe(0);
  });

  test('a server that does not answer is given up', async () => {
    issuer.answer = hang;
    start();
    expect(await outcome()).toBe(UNVERIFIABLE);
    expect(told).toEqual(['timeout']);
  });

  test('a token of a new key has them read again: once in ten seconds, whoever makes up keys', async () => {
    start();
    await outcome();
    const next = await createSigningKey();
    issuer.keys = [key.jwk, next.jwk];
    expect(await outcome(next)).toBe('refused');
    await clock.advance(10_000);
    expect(await Promise.all([outcome(next), outcome(next)])).toEqual([BATCH, BATCH]);
    expect(await outcome()).toEqual(BATCH);
    for (let i = 0; i < 20; i += 1) expect(await outcome(await createSigningKey())).toBe('refused');
    expect(issuer.reads()).toBe(2);
    expect(told).toEqual(['1 keys', '2 keys']);
  });

  test('a token of a new key is not called bad while the keys cannot be read', async () => {
    start();
    await outcome();
    await clock.advance(10_000);
    issuer.answer = () => answerWith(503, []);
    const next = await createSigningKey();
    expect(await outcome(next)).toBe(UNVERIFIABLE);
    expect(await outcome(next)).toBe(UNVERIFIABLE);
    expect(await outcome()).toEqual(BATCH);
    expect(told).toEqual(['1 keys', 'http_503, serving']);
  });

  test('are read again in the background as they grow old, and the last good ones serve meanwhile', async () => {
    start();
    await outcome();
    issuer.answer = () => answerWith(503, []);
    await clock.advance(10 * 60_000);
    for (let i = 0; i < 5; i += 1) expect(await outcome()).toEqual(BATCH);
    await issuer.server.untilRequests(3);
    while (told.length < 2) await settle();
    await clock.advance(365 * 86_400_000);
    expect(await outcome()).toEqual(BATCH);
    expect(told).toEqual(['1 keys', 'http_503, serving', 'http_503, serving']);
  });

  test('a token that is remembered goes when its key does, though no other token comes', async () => {
    start();
    const token = await key.sign(claimsAt(clock.now(), issuer.url));
    expect(await judge(token)).toEqual(BATCH);
    issuer.keys = [(await createSigningKey()).jwk];
    await clock.advance(10 * 60_000);
    expect(check?.judge(`Bearer ${token}`)).toEqual(BATCH);
    while (told.length < 2) await settle();
    expect(await judge(token)).toBe('refused');
  });

  test('nobody is let in by keys that nobody has asked for in a long time, before they are read again', async () => {
    start();
    const token = await key.sign(claimsAt(clock.now(), issuer.url));
    await judge(token);
    issuer.keys = [(await createSigningKey()).jwk];
    await clock.advance(21 * 60_000);
    expect(await judge(token)).toBe('refused');
  });

  test('the same keys again change nothing', async () => {
    start();
    const token = await key.sign(claimsAt(clock.now(), issuer.url));
    await judge(token);
    await clock.advance(10 * 60_000);
    void check?.judge(`Bearer ${token}`);
    await issuer.server.untilRequests(4);
    await settle();
    expect(check?.judge(`Bearer ${token}`)).toEqual(BATCH);
    expect(told).toEqual(['1 keys']);
  });

  test('go on in the next config: read again no sooner, and told of only when they change', async () => {
    start();
    await outcome();
    await startNext();
    expect(await outcome()).toEqual(BATCH);
    expect(issuer.reads()).toBe(1);
    await clock.advance(10 * 60_000);
    void outcome();
    await issuer.server.untilRequests(4);
    await settle();
    expect(told).toEqual(['1 keys']);
  });

  test('that could not be read are tried again as soon in the next config', async () => {
    issuer.answer = () => answerWith(503, []);
    start();
    expect(await outcome()).toBe(UNVERIFIABLE);
    await startNext();
    issuer.answer = undefined;
    await clock.advance(2_000);
    expect(await outcome()).toEqual(BATCH);
  });

  test('a thousand tokens wait for keys, and no more', async () => {
    issuer.answer = hang;
    start();
    const tokens = await Promise.all(
      Array.from({ length: 1_001 }, (_, index) => key.sign(claimsAt(clock.now(), issuer.url, { jti: `waiting-${index}` }))),
    );
    const waiting = tokens.slice(0, 1_000).map(judge);
    expect(await judge(tokens[1_000] as string)).toBe('503 BROKER_OVERLOADED 1');
    expect(new Set(await Promise.all(waiting))).toEqual(new Set([UNVERIFIABLE]));
  });
});

describe('who waits for keys holds up nobody else', () => {
  const hanging = (count: number, sign: (index: number) => Promise<string>) =>
    Promise.all(Array.from({ length: count }, (_, index) => sign(index).then((token) => ({ done: judge(token) }))));

  test('B04 not the callers of another issuer', async () => {
    const silent = 'https://127.0.0.1:9';
    const usual = { audience: 'token-broker', claims: { sub: '*' } };
    const other = await startIssuer([]);
    other.answer = hang;
    try {
      check = createJwtCheck({
        callers: {
          silent: caller.parse({ jwt: { ...usual, issuer: silent, jwksUri: `${other.url}/keys` } }),
          batch: caller.parse({ jwt: { ...usual, issuer: issuer.url } }),
        },
        clock,
        observer: { changed: () => {}, failed: () => {} },
      });
      const waiting = await hanging(1_000, (index) => key.sign(claimsAt(clock.now(), silent, { jti: `waiting-${index}` })));
      await other.server.untilRequests(1);
      expect(await outcome()).toEqual(BATCH);
      expect(await judge(await key.sign(claimsAt(clock.now(), silent)))).toBe('503 BROKER_OVERLOADED 1');
      await check.close();
      await Promise.all(waiting.map(({ done }) => done));
    } finally {
      await other.close();
    }
  });

  test('B04 not the first token of a new key, once made-up keys were read for', async () => {
    start();
    await outcome();
    await clock.advance(10_000);
    const stranger = await createSigningKey();
    const refused = await hanging(300, (index) => stranger.sign(claimsAt(clock.now(), issuer.url, { jti: `made-up-${index}` })));
    expect(new Set(await Promise.all(refused.map(({ done }) => done)))).toEqual(new Set(['refused']));
    const next = await createSigningKey();
    issuer.keys = [key.jwk, next.jwk];
    await clock.advance(10_000);
    expect(await outcome(next)).toEqual(BATCH);
  });

  test('B04 not those whose key is there, behind a thousand that name made-up keys', async () => {
    start();
    await outcome();
    issuer.answer = hang;
    await clock.advance(10_000);
    const stranger = await createSigningKey();
    const waiting = await hanging(1_000, (index) => stranger.sign(claimsAt(clock.now(), issuer.url, { jti: `made-up-${index}` })));
    await issuer.server.untilRequests(3);
    expect(await outcome()).toEqual(BATCH);
    await check?.close();
    expect(new Set(await Promise.all(waiting.map(({ done }) => done)))).toEqual(new Set([UNVERIFIABLE]));
  });
});

describe('keys of a Kubernetes API server', () => {
  test('are read over TLS of its own authority, with a token that is read anew each time and goes nowhere else', async () => {
    const authority = await createAuthority();
    const server = await startIssuer([key.jwk], await authority.issueServer());
    const folder = await mkdtemp(join(tmpdir(), 'token-broker-issuer-'));
    const file = join(folder, 'sidecar.config.json');
    const serviceAccount = 'https://kubernetes.default.svc.cluster.local';
    await writeFile(join(folder, 'ca.crt'), authority.certificate);
    await writeFile(join(folder, 'token'), 'first-token\n', { mode: 0o600 });
    const jwt = {
      issuer: serviceAccount,
      audience: 'token-broker',
      claims: { sub: 'system:serviceaccount:shop:*', '/kubernetes.io/namespace': 'shop' },
      jwksUri: `${server.url}/keys`,
      bearerToken: { fromFile: 'token' },
      tls: { ca: { fromFile: 'ca.crt' } },
    };
    await writeFile(
      file,
      JSON.stringify({ listeners: { local: { address: '127.0.0.1:0', authenticate: ['jwt'] } }, callers: { batch: { jwt } } }),
    );
    const { config } = await loadConfig(file);
    check = createJwtCheck({
      callers: config.callers,
      clock,
      observer: { changed: () => {}, failed: (_i, { reason }) => void told.push(reason) },
    });
    const projected = {
      iss: serviceAccount,
      aud: ['token-broker'],
      sub: 'system:serviceaccount:shop:nightly',
      'kubernetes.io': { namespace: 'shop', serviceaccount: { name: 'nightly', uid: 'x' } },
      iat: Math.floor(clock.now() / 1000),
      nbf: Math.floor(clock.now() / 1000),
      exp: Math.floor(clock.now() / 1000) + 3607,
    };
    expect(await judge(await key.sign(projected, { typ: undefined }))).toEqual(BATCH);
    await writeFile(join(folder, 'token'), 'second-token\n');
    await clock.advance(10_000);
    await judge(await (await createSigningKey()).sign(projected));
    expect(server.server.requests.map(({ target, field }) => [target, field('authorization')])).toEqual([
      ['/keys', ['Bearer first-token']],
      ['/keys', ['Bearer second-token']],
    ]);
    expect(told).toEqual([]);
    await check.close();
    await server.close();
    await rm(folder, { recursive: true });
  });
});
