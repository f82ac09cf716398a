import { describe, expect, test } from '@jest/globals';
import { AuthorizationServerError } from '../../../src/authorization-server/failure.ts';
import { token as tokenSchema } from '../../../src/config/schema/tokens.ts';
import { BrokerError } from '../../../src/errors.ts';
import { CallerTokens } from '../../../src/token/callers/caller-tokens.ts';
import type { OwnCredentials } from '../../../src/token/callers/own-credentials.ts';
import { createKeyedDigest } from '../../../src/token/keyed-digest.ts';
import { RefusedCredentials } from '../../../src/token/refused-credentials.ts';
import { Token } from '../../../src/token/token.ts';
import { UNOBSERVED } from '../../../src/token/unobserved.ts';
import { FakeClock, settle } from '../../helpers/fake-clock.ts';

const CONFIG = {
  authorizationServer: 'as',
  clientId: 'c',
  clientAuthentication: { secret: { unsafeInline: 's' } },
};

/** Callers' tokens around grants that the test plays; each token is `NAME:PASSWORD#number`. */
function rig(more: Record<string, unknown> = {}) {
  const clock = new FakeClock();
  const events: string[] = [];
  const asked: string[] = [];
  const granted: string[] = [];
  let answer: () => Promise<void> = async () => {};
  const refused = new RefusedCredentials(clock);
  const tokens = new CallerTokens({
    name: 'ledger',
    config: tokenSchema.parse({ ...(more['grant'] === undefined && { grant: 'password', resourceOwner: 'caller' }), ...CONFIG, ...more }),
    createGrant: ({ username, secret }, endsAt) => ({
      identity: 'the same for all',
      discard: async (token) => void events.push(`discarded ${token?.reveal()}`),
      grant: {
        async get() {
          asked.push(`${username}:${secret}`);
          await answer();
          granted.push(`${username}:${secret}`);
          const value = `${username}:${secret}#${granted.length}`;
          const lifetimeMs = Math.min(100_000, endsAt - clock.now());
          return new Token({ value, requestedAt: clock.now(), lifetimeMs, scope: undefined }, clock);
        },
      },
    }),
    digest: createKeyedDigest(),
    refused: { known: refused, find: async () => refused },
    observer: {
      ...UNOBSERVED.observer,
      grantFailed: (_name, { reason }) => events.push(`failed ${reason}`),
      credentialsRefused: (_name, { reason }) => events.push(`refused ${reason}`),
    },
    clock,
  });
  return {
    clock,
    events,
    asked,
    granted,
    tokens,
    answerWith: (next: () => Promise<void>) => {
      answer = next;
    },
    /** As the token stage does it. */
    async get(name: string, password = 'right') {
      const source = tokens.of(credentials(name, password));
      return (source.peek() ?? (await source.get())).reveal();
    },
  };
}

function credentials(username: string | undefined, secret: string): OwnCredentials {
  return { username, secret, refusal: (cause) => new BrokerError('CALLER_UNAUTHENTICATED', 'no', { stage: 'caller', cause }) };
}

const refuse = () => Promise.reject(new AuthorizationServerError('permanent', 'invalid_grant', { resourceOwnerRefused: true }));
const REFUSED = { code: 'CALLER_UNAUTHENTICATED', status: 401 };

describe('tokens of callers', () => {
  test('that the server is left alone is told once for all callers, until something else happens', async () => {
    const { get, events, answerWith, clock } = rig();
    const fail = (reason: string) =>
      answerWith(() => Promise.reject(new AuthorizationServerError('transient', reason, { retryAfterMs: 1_000 })));
    const all = async (names: string[]) => {
      for (const name of names) await expect(get(name)).rejects.toMatchObject({ code: 'TOKEN_UNAVAILABLE' });
    };
    fail('econnrefused');
    await all(['a', 'b']);
    fail('breaker_open');
    await all(['c', 'd', 'e']);
    answerWith(async () => {});
    await clock.advance(5_000);
    await get('a');
    fail('breaker_open');
    await all(['f', 'g']);
    expect(events).toEqual(['failed econnrefused', 'failed econnrefused', 'failed breaker_open', 'failed breaker_open']);
  });

  test('C02 the same credentials share one grant; none that differ in any way share a token', async () => {
    const { get, granted } = rig();
    const owners = ['a', 'a', 'a', 'b', 'A', 'a ', '["a"'];
    const got = await Promise.all(owners.map((name) => get(name)));
    expect(got.map((token) => token.split('#')[0])).toEqual(owners.map((name) => `${name}:right`));
    expect(granted).toHaveLength(5);
    expect(await get('a', 'other')).toBe('a:other#6');
    expect(await get('a","', 'x')).not.toBe(await get('a', '","x'));
    expect(granted).toHaveLength(8);
  });

  test('C15 are purged all at once; each caller has another one made with the next request', async () => {
    const { get, clock, events, tokens } = rig();
    await Promise.all([get('a'), get('b')]);
    await tokens.purge();
    expect(events.sort()).toEqual(['discarded a:right#1', 'discarded b:right#2']);
    await clock.advance(1_000);
    expect(await get('b')).toBe('b:right#3');
  });

  test('B01 requests that share a try are each told of its refusal in their own way', async () => {
    const { tokens, answerWith, asked } = rig();
    answerWith(refuse);
    const asAsked = (status: number) => {
      const refusal = (cause: unknown) => new BrokerError('CALLER_UNAUTHENTICATED', 'no', { stage: 'caller', cause, status });
      return tokens.of({ ...credentials('a', 'wrong'), refusal }).get();
    };
    const told = await Promise.allSettled([asAsked(401), asAsked(407), asAsked(401)]);
    expect(told.map((each) => (each as PromiseRejectedResult).reason.status)).toEqual([401, 407, 401]);
    expect(asked).toEqual(['a:wrong']);
  });

  test("are had again by whoever had one: other people's guesses hold up none whose password was good before", async () => {
    const { get, clock, answerWith, asked } = rig();
    await get('a');
    answerWith(refuse);
    for (const guess of ['x', 'y', 'z']) await expect(get('a', guess)).rejects.toMatchObject(REFUSED);
    await clock.advance(100_000);
    answerWith(async () => {});
    expect(await get('a')).toBe('a:right#2');
    // And held up like any other once it was refused itself.
    await clock.advance(100_000);
    answerWith(refuse);
    for (let times = 0; times < 2; times += 1) await expect(get('a')).rejects.toMatchObject(REFUSED);
    expect(asked).toEqual(['a:right', 'a:x', 'a:y', 'a:z', 'a:right', 'a:right']);
  });

  test('give way, those that have ended before one that is good, however long that was not used', async () => {
    const { get, clock } = rig({ maxCallers: 2 });
    await get('a');
    await clock.advance(60_000);
    await get('b');
    await clock.advance(15_000);
    await get('a');
    await clock.advance(21_000);
    expect(await get('c')).toBe('c:right#3');
    expect(await get('b')).toBe('b:right#2');
  });

  test("are renewed for a request only: nobody's credentials are used behind its back", async () => {
    const { get, granted, clock, tokens } = rig();
    await get('a');
    await clock.advance(95_000);
    expect(granted).toHaveLength(1);
    expect(tokens.of(credentials('a', 'right')).peek()).toBeUndefined();
    await get('a');
    await clock.advance(85_000);
    expect(await get('a')).toBe('a:right#2');
    await settle();
    expect(await get('a')).toBe('a:right#3');
  });

  test('leave when nobody has used them for "idleAfter", and take their timer along', async () => {
    const { get, clock, tokens } = rig({ renew: { idleAfter: '10m' } });
    await get('a');
    await clock.advance(9 * 60_000);
    await get('b');
    await clock.advance(60_000);
    expect(tokens.callers).toBe(1);
    await clock.advance(10 * 60_000);
    expect([tokens.callers, clock.timers]).toEqual([0, 0]);
  });

  test('leave no timer behind when closed', async () => {
    const { get, clock, tokens } = rig();
    await get('a');
    expect(clock.timers).toBe(1);
    tokens.close();
    expect(clock.timers).toBe(0);
  });

  test('refused credentials take no place, and wrong ones never push out a token that serves', async () => {
    const { get, answerWith, tokens, events } = rig({ maxCallers: 2 });
    await get('a');
    answerWith(refuse);
    for (let i = 0; i < 10; i += 1) await expect(get(`guess-${i}`)).rejects.toMatchObject(REFUSED);
    expect([tokens.callers, events.length]).toEqual([1, 10]);
    expect(await get('a')).toBe('a:right#1');
  });

  test('what holds no token gives way first, then the least recently used', async () => {
    const { get, answerWith, clock, granted } = rig({ maxCallers: 3 });
    await get('a');
    await clock.advance(1);
    await get('b');
    await clock.advance(1);
    answerWith(() => Promise.reject(new AuthorizationServerError('permanent', 'invalid_scope')));
    await expect(get('c')).rejects.toMatchObject({ code: 'TOKEN_REJECTED', status: 502 });
    answerWith(async () => {});
    await clock.advance(1);
    await get('a');
    await get('d');
    expect(granted).toEqual(['a:right', 'b:right', 'd:right']);
    await get('e');
    expect(await get('a')).toBe('a:right#1');
    expect(await get('b')).toBe('b:right#5');
  });

  test('R01 those that somebody waits for stay: one caller too many is refused', async () => {
    const { get, answerWith, tokens } = rig({ maxCallers: 2 });
    let go = () => {};
    const gate = new Promise<void>((resolve) => (go = resolve));
    answerWith(() => gate);
    const waiting = Promise.all([get('a'), get('b')]);
    await settle();
    expect(tokens.waiting).toBe(2);
    await expect(get('c')).rejects.toMatchObject({ code: 'BROKER_OVERLOADED', status: 503 });
    go();
    expect(await waiting).toEqual(['a:right#1', 'b:right#2']);
  });

  test('T10 a renewal that is refused lets the token serve to its end; then the caller is told', async () => {
    const { get, answerWith, clock, events } = rig();
    await get('a');
    await clock.advance(85_000);
    answerWith(refuse);
    expect(await get('a')).toBe('a:right#1');
    await settle();
    expect([await get('a'), events]).toEqual(['a:right#1', ['refused invalid_grant']]);
    await clock.advance(15_000);
    await expect(get('a')).rejects.toMatchObject(REFUSED);
    expect(events).toHaveLength(1);
  });

  test('credentials that were good once and are refused now count like any others', async () => {
    const { get, answerWith, clock, asked } = rig({ renew: { idleAfter: '1h' } });
    await get('a');
    await clock.advance(85_000);
    answerWith(refuse);
    await get('a');
    await settle();
    for (const guess of ['x', 'y', 'z']) await expect(get('a', guess)).rejects.toMatchObject(REFUSED);
    await clock.advance(15 * 60_000);
    await expect(get('a')).rejects.toMatchObject(REFUSED);
    expect(asked).toEqual(['a:right', 'a:right', 'a:x', 'a:y']);
  });

  test('T11 what is not about the credentials keeps its class, and is remembered for this caller', async () => {
    const { get, answerWith, events } = rig();
    answerWith(() => Promise.reject(new AuthorizationServerError('permanent', 'invalid_client')));
    await expect(get('a')).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
    await expect(get('a')).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
    expect(events).toEqual(['failed invalid_client']);
  });

  test('a changed client secret is tried at once for every caller', async () => {
    const { get, answerWith, tokens } = rig();
    answerWith(() => Promise.reject(new AuthorizationServerError('permanent', 'invalid_client')));
    await expect(get('a')).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
    answerWith(async () => {});
    tokens.secretChanged();
    expect(await get('a')).toBe('a:right#1');
  });

  test('T03 a subject that ends meanwhile is refused, although its caller is known', async () => {
    const { tokens, clock } = rig({ grant: 'jwt_bearer', subject: 'caller' });
    const claims = Buffer.from(JSON.stringify({ exp: clock.now() / 1000 + 60 })).toString('base64url');
    const own = credentials(undefined, `e30.${claims}.x`);
    expect((await tokens.of(own).get()).lifetimeMs).toBe(60_000);
    await clock.advance(60_000);
    expect(() => tokens.of(own)).toThrow(expect.objectContaining(REFUSED));
  });

  test('T03 a SAML assertion ends at "NotOnOrAfter" of its conditions', async () => {
    const { tokens, clock } = rig({ grant: 'saml2_bearer', subject: 'caller', subjectField: 'X-Assertion' });
    const endsAt = new Date(clock.now() + 60_000).toISOString();
    const own = credentials(
      undefined,
      `<saml:Assertion><saml:SubjectConfirmationData NotOnOrAfter="2000-01-01T00:00:00Z"/><saml:Conditions NotBefore="x"\n NotOnOrAfter='${endsAt}'/></saml:Assertion>`,
    );
    expect((await tokens.of(own).get()).lifetimeMs).toBe(60_000);
    await clock.advance(60_000);
    expect(() => tokens.of(own)).toThrow(expect.objectContaining(REFUSED));
  });
});
