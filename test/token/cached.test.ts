import { describe, expect, test } from '@jest/globals';
import { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { cachedTokenRig as rig } from '../helpers/cached-token.ts';
import { settle } from '../helpers/fake-clock.ts';
import { memoryStore } from '../helpers/memory-store.ts';

const permanent = () => Promise.reject(new AuthorizationServerError('permanent', 'invalid_client'));
const dead = () => Promise.reject(new AuthorizationServerError('transient', 'econnrefused', { retryAfterMs: 1 }));

describe('cached token', () => {
  test('R01 a thousand callers on a cold token share one grant', async () => {
    const { cached, grants } = rig();
    const tokens = await Promise.all(Array.from({ length: 1_000 }, () => cached.get()));
    expect(new Set(tokens.map((token) => token.reveal()))).toEqual(new Set(['token-1']));
    expect(grants()).toBe(1);
  });

  test('one that is good for too short is as good as none for who needs it longer, and served to the others', async () => {
    const { cached, clock, grants } = rig({ renew: { eager: false, before: '0s', hardMargin: '10s' } });
    const first = await cached.get();
    await clock.advance(89_000);
    expect(cached.sendableMs(first)).toBe(1_000);
    expect([cached.peek(999), cached.peek(1_000)]).toEqual([first, undefined]);
    expect(await cached.get(undefined, 999)).toBe(first);
    expect((await cached.get(undefined, 1_000)).reveal()).toBe('token-2');
    expect(grants()).toBe(2);
    expect([cached.mayBeSent(first), cached.sendableMs(first)]).toEqual([true, 1_000]);
    await clock.advance(1_000);
    expect([cached.mayBeSent(first), cached.sendableMs(first)]).toEqual([false, 0]);
  });

  test('R01 refuses the thousand and first, who would wait behind a server in trouble', async () => {
    const { cached, answerWith } = rig();
    answerWith(() => new Promise(() => {}));
    for (let i = 0; i < 1_000; i += 1) cached.get().catch(() => undefined);
    await expect(cached.get()).rejects.toMatchObject({ code: 'BROKER_OVERLOADED' });
  });

  test('R02 a failure is shared, and the next attempt comes after the back-off', async () => {
    const { cached, grants, answerWith, clock } = rig();
    answerWith(permanent);
    const outcomes = await Promise.allSettled(Array.from({ length: 1_000 }, () => cached.get()));
    expect(outcomes.every((outcome) => outcome.status === 'rejected' && outcome.reason.code === 'TOKEN_REJECTED')).toBe(true);
    expect(grants()).toBe(1);
    await expect(cached.get()).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
    expect(grants()).toBe(1);
    await clock.advance(10_000);
    answerWith(async () => {});
    expect((await cached.get()).reveal()).toBe('token-2');
  });

  test('R02 the back-off begins anew after a grant that succeeded', async () => {
    const { cached, answerWith, clock } = rig({ renew: { eager: false, before: '0s' } });
    for (let round = 0; round < 2; round += 1) {
      answerWith(permanent);
      await expect(cached.get()).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
      await clock.advance(10_000);
      answerWith(async () => {});
      await cached.get();
      await clock.advance(95_000);
    }
  });

  test('R04 a caller that gives up after ten seconds leaves the grant to the others', async () => {
    const { cached, answerWith, clock } = rig();
    let answer = () => {};
    answerWith(() => new Promise((resolve) => (answer = resolve)));
    const early = cached.get();
    await clock.advance(9_000);
    const late = cached.get();
    const gaveUp = expect(early).rejects.toMatchObject({ code: 'TOKEN_UNAVAILABLE', status: 503 });
    await clock.advance(1_000);
    await gaveUp;
    answer();
    expect((await late).reveal()).toBe('token-1');
  });

  test('R05 renews ahead by the expiry, not by traffic: whoever asks is served from memory', async () => {
    const { cached, clock, grants } = rig({ lifetimeMs: 5_000 });
    await clock.advance(24 * 3_600_000);
    await cached.get();
    for (let request = 0; request < 10_000; request += 1) {
      await clock.advance(10);
      expect(cached.peek()).toBeDefined();
    }
    // Renewed at 4 s of each 5 s lifetime: 25 renewals and the first grant.
    expect(grants()).toBe(26);
  });

  test('R09 a life shorter than the configured margin costs one grant per half life, not one per request', async () => {
    const { cached, clock, grants } = rig({ lifetimeMs: 5_000, renew: { before: '60s' } });
    for (let i = 0; i < 100; i += 1) {
      await cached.get();
      await clock.advance(100);
    }
    expect(grants()).toBeLessThanOrEqual(5);
  });

  test('T10 serves the unexpired token while the authorization server is dead, and never an expired one', async () => {
    const { cached, clock, answerWith, events } = rig({ lifetimeMs: 100_000 });
    await cached.get();
    answerWith(dead);
    await clock.advance(94_900);
    expect(cached.peek()?.reveal()).toBe('token-1');
    expect(events).toContain('failed econnrefused serving');
    await clock.advance(200);
    expect(cached.peek()).toBeUndefined();
    await expect(cached.get()).rejects.toMatchObject({ code: 'TOKEN_UNAVAILABLE', status: 503 });
  });

  test('T14 its status tells the scope that was granted', async () => {
    const { cached } = rig();
    expect(cached.status().scope).toBeUndefined();
    await cached.get();
    expect(cached.status()).toMatchObject({ state: 'fresh', scope: 'a b' });
  });

  test('its status tells when it is renewed by itself: while somebody uses it, and until it is purged or closed', async () => {
    const { cached, clock, answerWith } = rig({ renew: { idleAfter: '50s' } });
    expect(cached.status().renewsInMs).toBeUndefined();
    await cached.get();
    expect(cached.status()).toMatchObject({
      renewsInMs: 80_000,
      plan: { lifetimeMs: 100_000, ageMs: 0, renewAtAge: 80_000, unusableAtAge: 95_000 },
    });
    await clock.advance(30_000);
    expect(cached.status()).toMatchObject({ renewsInMs: 50_000, plan: { ageMs: 30_000 } });
    // Nobody has used it for so long that it is not renewed.
    await clock.advance(50_000);
    expect(cached.status()).toMatchObject({ state: 'renewing', renewsInMs: undefined });
    answerWith(dead);
    cached.peek();
    await clock.advance(10_000);
    const { renewsInMs, lastFailure } = cached.status();
    expect(renewsInMs).toBeGreaterThan(0);
    expect(lastFailure).toMatchObject({ code: 'TOKEN_UNAVAILABLE' });
    await cached.purge();
    expect(cached.status()).toMatchObject({ state: 'none', plan: undefined, renewsInMs: undefined, lastFailure });
    answerWith(async () => {});
    await cached.get();
    cached.close();
    expect(cached.status().renewsInMs).toBeUndefined();
  });

  test('T10 a token that has ended before its answer came is not used', async () => {
    const { cached, clock, answerWith } = rig({ lifetimeMs: 1_000 });
    answerWith(async () => clock.stepWall(1_500));
    await expect(cached.get()).rejects.toMatchObject({ code: 'TOKEN_UNAVAILABLE', cause: { reason: 'token_expired_on_arrival' } });
    expect(cached.peek()).toBeUndefined();
  });

  test('R10 counts the time the host was suspended, although the monotonic clock stood still', async () => {
    const { cached, clock } = rig({ lifetimeMs: 100_000 });
    await cached.get();
    clock.suspend(96_000);
    expect(cached.peek()).toBeUndefined();
  });

  test('R10 a wall clock set back does not make a token live longer', async () => {
    const { cached, clock, answerWith } = rig({ lifetimeMs: 100_000 });
    await cached.get();
    answerWith(dead);
    clock.stepWall(-3_600_000);
    await clock.advance(95_000);
    expect(cached.peek()).toBeUndefined();
  });

  test('R10 a wall clock set an hour ahead and back costs one grant, not one per request', async () => {
    const { cached, clock, grants } = rig({ lifetimeMs: 100_000 });
    await cached.get();
    clock.stepWall(3_600_000);
    const waiting = cached.get();
    await clock.advance(1_000);
    await waiting;
    for (let i = 0; i < 100; i += 1) await cached.get();
    clock.stepWall(-3_600_000);
    for (let i = 0; i < 100; i += 1) await cached.get();
    expect(grants()).toBe(2);
  });

  test.each([-0.01, 0.01])('R10 a wall clock that drifts by %d of the time neither stretches a token nor causes a storm', async (drift) => {
    const { cached, clock, grants } = rig({ lifetimeMs: 100_000 });
    let since = clock.monotonic();
    let last = (await cached.get()).reveal();
    for (let second = 0; second < 1_200; second += 1) {
      await clock.advance(1_000);
      clock.stepWall(1_000 * drift);
      const token = (await cached.get()).reveal();
      if (token !== last) since = clock.monotonic();
      last = token;
      expect(clock.monotonic() - since).toBeLessThan(95_000);
    }
    expect(grants()).toBeGreaterThanOrEqual(12);
    expect(grants()).toBeLessThanOrEqual(18);
  });

  test('goes on trying to renew after a failure, although nobody asks and the timer comes a moment early', async () => {
    const { cached, clock, answerWith, grants } = rig({ lifetimeMs: 100_000 });
    await cached.get();
    answerWith(dead);
    const after = clock.after;
    clock.after = (delayMs, action) => after(delayMs - 0.5, action);
    await clock.advance(88_000);
    expect(grants()).toBeGreaterThan(3);
    answerWith(async () => {});
    await clock.advance(6_000);
    expect(cached.peek()?.reveal()).toMatch(/^token-/);
    await clock.advance(10_000);
    expect(cached.peek()).toBeDefined();
  });

  test('a refused client is asked again by itself while there is a token to be followed, and not without one', async () => {
    const { cached, clock, answerWith } = rig({ lifetimeMs: 100_000 });
    await cached.get();
    answerWith(permanent);
    await clock.advance(80_000);
    expect(cached.status()).toMatchObject({ lastFailure: { code: 'TOKEN_REJECTED' }, renewsInMs: 10_000 });
    // And by nobody's request before that.
    expect(cached.peek()).toBeDefined();
    expect(cached.status().obtaining).toBe(false);
    await clock.advance(40_000);
    expect(cached.status()).toMatchObject({ state: 'expired', renewsInMs: undefined });
  });

  test('T09 a token that could not be had is there when the server is back, before anybody asks again', async () => {
    const { cached, clock, answerWith } = rig();
    answerWith(dead);
    await expect(cached.get()).rejects.toMatchObject({ code: 'TOKEN_UNAVAILABLE' });
    answerWith(async () => {});
    await clock.advance(6_000);
    expect(cached.peek()).toBeDefined();
  });

  test('stops renewing a token that nobody uses, and begins again when somebody does', async () => {
    const { cached, clock, grants, events } = rig({ lifetimeMs: 100_000, renew: { idleAfter: '60s' } });
    await cached.get();
    await clock.advance(500_000);
    expect(grants()).toBe(1);
    expect(events).toContain('idle');
    expect((await cached.get()).reveal()).toBe('token-2');
  });

  test('once retired it is not renewed ahead, and had still by whoever needs it', async () => {
    const { cached, clock, grants } = rig();
    const token = await cached.get();
    cached.retire();
    await clock.advance(85_000);
    expect(await cached.replace(token)).toBeUndefined();
    expect(cached.peek()?.reveal()).toBe('token-1');
    expect([grants(), cached.status().obtaining]).toEqual([1, false]);
    await clock.advance(10_000);
    expect((await cached.get()).reveal()).toBe('token-2');
  });

  test('goes on renewing a token that is used, from memory or after a while without', async () => {
    const { cached, clock, events } = rig({ renew: { idleAfter: '90s' } });
    await cached.get();
    for (let second = 0; second < 300; second += 50) {
      await clock.advance(50_000);
      expect(cached.peek()).toBeDefined();
    }
    await clock.advance(400_000);
    expect(events.filter((event) => event === 'idle')).toHaveLength(1);
    const begun = await cached.get();
    await clock.advance(81_000);
    expect(cached.peek()).not.toBe(begun);
    expect(events.filter((event) => event === 'idle')).toHaveLength(1);
  });

  test('R04 whoever goes away while it waits gives up its place at once', async () => {
    const { cached, answerWith } = rig();
    answerWith(() => new Promise(() => {}));
    let leave = () => {};
    const waiting = cached.get({ onAbandoned: (listener) => (leave = listener) });
    expect(cached.waiting).toBe(1);
    leave();
    await expect(waiting).rejects.toMatchObject({ code: 'TOKEN_UNAVAILABLE' });
    expect(cached.waiting).toBe(0);
  });

  test('a server that hands back the same token is not asked again within the minimum interval', async () => {
    const { cached, clock, grants } = rig({ lifetimeMs: 1_000 });
    await cached.get();
    for (let i = 0; i < 8; i += 1) {
      await clock.advance(100);
      cached.peek();
      expect(cached.status().obtaining).toBe(false);
    }
    expect(grants()).toBe(1);
  });

  test('is not asked again within it by force either: who renews waits for its end', async () => {
    const { cached, clock, grants } = rig();
    await cached.get();
    const renewed = cached.renew();
    await clock.advance(999);
    expect(grants()).toBe(1);
    await clock.advance(1);
    expect((await renewed).reveal()).toBe('token-2');
  });

  test('a changed secret is tried at once, although a refusal is remembered', async () => {
    const { cached, answerWith, grants } = rig();
    answerWith(permanent);
    await expect(cached.get()).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
    answerWith(async () => {});
    cached.secretChanged();
    await cached.get();
    expect(grants()).toBe(2);
  });

  test('the token at hand stays when a secret has changed that does not say whose it is', async () => {
    const { cached } = rig();
    const token = await cached.get();
    cached.secretChanged();
    expect(cached.peek()).toBe(token);
  });

  test('the failure of an old secret is not held against the new one', async () => {
    const { cached, answerWith, grants } = rig();
    let refuse: () => void = () => {};
    answerWith(
      () => new Promise((_resolve, reject) => (refuse = () => reject(new AuthorizationServerError('permanent', 'invalid_client')))),
    );
    const old = cached.get();
    await settle();
    cached.secretChanged();
    refuse();
    await expect(old).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
    answerWith(async () => {});
    await cached.get();
    expect(grants()).toBe(2);
  });

  test('C02 a token is not served any more when the user name that it was obtained for has changed', async () => {
    const store = memoryStore();
    const { cached, clock, become, answerWith } = rig({ store });
    expect((await cached.get()).reveal()).toBe('token-1');
    become('bob');
    expect(cached.peek()).toBeUndefined();
    let answer: () => void = () => {};
    answerWith(() => new Promise((resolve) => (answer = resolve)));
    const waiting = cached.get();
    await clock.advance(1_000);
    become('carol');
    answerWith(async () => {});
    answer();
    await settle();
    await clock.advance(1_000);
    // The token that came was bob's: it is dropped, and another one asked for.
    expect((await waiting).reveal()).toBe('token-3');
    expect(store.shared.map(({ identity }) => identity)).toEqual(['alice', 'carol']);
  });

  test('C02 a token is not shared as that of a user name that has changed while the turn was waited for', async () => {
    const store = memoryStore();
    let obtain: () => void = () => {};
    const slow = {
      ...store,
      obtain: async (...asked: Parameters<typeof store.obtain>) => {
        const found = await store.obtain(...asked);
        await new Promise<void>((resolve) => (obtain = resolve));
        return found;
      },
    };
    const { cached, clock, become } = rig({ store: slow });
    const waiting = cached.get();
    await settle();
    become('bob');
    obtain();
    await settle();
    obtain();
    await clock.advance(1_000);
    // The first grant was asked for as bob already, in the turn of alice.
    expect((await waiting).reveal()).toBe('token-2');
    expect(store.shared.map(({ identity }) => identity)).toEqual(['bob']);
  });

  test('a refused resource owner is left alone for ten minutes', async () => {
    const { cached, answerWith, clock, grants } = rig();
    answerWith(() => Promise.reject(new AuthorizationServerError('permanent', 'invalid_grant', { resourceOwnerRefused: true })));
    await expect(cached.get()).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
    await clock.advance(599_000);
    await expect(cached.get()).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
    expect(grants()).toBe(1);
    await clock.advance(1_000);
    await expect(cached.get()).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
    expect(grants()).toBe(2);
  });

  test('leaves no timer behind when closed', async () => {
    const { cached, clock } = rig();
    await cached.get();
    expect(clock.timers).toBe(1);
    cached.close();
    await settle();
    expect(clock.timers).toBe(0);
  });
});
