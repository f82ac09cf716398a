/** Purging: the token at hand ends everywhere, and what is on its way does not take its place. */

import { describe, expect, test } from '@jest/globals';
import { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { noStore, type StoredToken } from '../../src/token/store/store.ts';
import { cachedTokenRig as rig } from '../helpers/cached-token.ts';
import { FakeClock, settle } from '../helpers/fake-clock.ts';

type Wanted = (stored: StoredToken) => boolean;

describe('purging a token', () => {
  test('C15 drops it and discards it; the next need has another one made', async () => {
    const { cached, clock, events, grants } = rig();
    const { fingerprint } = await cached.get();
    await cached.purge();
    expect(cached.status()).toMatchObject({ state: 'none', fingerprint: undefined });
    expect(events.at(-1)).toBe(`discarded ${fingerprint} of alice`);
    expect(grants()).toBe(1);
    await clock.advance(1000);
    expect((await cached.get()).reveal()).toBe('token-2');
  });

  test('C15 a grant that began before it serves nobody: its token is discarded, and those who wait get a later one', async () => {
    const { cached, clock, events, answerWith } = rig({ renew: { minInterval: '1ms' } });
    const answers = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let asked = 0;
    answerWith(async () => answers[asked++]?.promise);
    const waiting = cached.get();
    await settle();
    await cached.purge();
    answers[0]?.resolve();
    await settle();
    await clock.advance(1000);
    answers[1]?.resolve();
    expect((await waiting).reveal()).toBe('token-2');
    expect(events.filter((event) => event.startsWith('discarded'))).toHaveLength(2);
    expect(cached.peek()?.reveal()).toBe('token-2');
  });

  test('C15 what another replica shared is taken only if it was asked for after the purge', async () => {
    const there = { value: 'shared-token', requestedAt: 0, lifetimeMs: 100_000 };
    const { cached, clock, grants } = rig({
      store: { ...noStore, obtain: async (identity, wanted) => (wanted(there) ? there : noStore.obtain(identity, wanted)) },
    });
    there.requestedAt = clock.now();
    expect((await cached.get()).reveal()).toBe('shared-token');
    await cached.purge();
    expect((await cached.get()).reveal()).toBe('token-1');
    await cached.purge();
    await clock.advance(2_000);
    there.requestedAt = clock.now() - 1_000;
    expect((await cached.get()).reveal()).toBe('shared-token');
    expect(grants()).toBe(1);
  });

  test('C15 asked for less than a millisecond before it is before it: the wall clock gives whole ones', async () => {
    const there = { value: 'shared-token', requestedAt: 0, lifetimeMs: 100_000 };
    const clock = new FakeClock();
    const wall = clock.now;
    clock.now = () => Math.floor(wall());
    const store = { ...noStore, obtain: async (of: string, wanted: Wanted) => (wanted(there) ? there : noStore.obtain(of, wanted)) };
    const { cached } = rig({ clock, store });
    there.requestedAt = clock.now();
    await clock.advance(0.5);
    await cached.purge();
    await clock.advance(1_000.4);
    expect((await cached.get()).reveal()).toBe('token-1');
  });

  describe('and a wall clock that is set', () => {
    const HOUR_MS = 3_600_000;

    /** A token that stands in the store for two hours, as another replica has shared it; purged here a minute ago. */
    async function purgedRig() {
      const there = { value: 'shared-token', requestedAt: 0, lifetimeMs: 7_200_000 };
      const store = { ...noStore, obtain: async (of: string, wanted: Wanted) => (wanted(there) ? there : noStore.obtain(of, wanted)) };
      const made = rig({ store, renew: { eager: false } });
      there.requestedAt = made.clock.now();
      expect((await made.cached.get()).reveal()).toBe('shared-token');
      await made.clock.advance(60_000);
      await made.cached.purge();
      await made.clock.advance(60_000);
      return { ...made, there };
    }

    test.each([
      ['back', -HOUR_MS],
      ['on', HOUR_MS],
    ])('C15 R10 %s after it: what is asked for from then on is taken at once', async (_way, ms) => {
      const { cached, clock, there, grants } = await purgedRig();
      clock.stepWall(ms);
      there.requestedAt = clock.now();
      await clock.advance(1_000);
      expect((await cached.get()).reveal()).toBe('shared-token');
      expect(grants()).toBe(0);
    });

    test.each([
      ['back', -HOUR_MS],
      ['on', HOUR_MS],
    ])('C15 R10 %s after it: what was asked for before it stays out', async (_way, ms) => {
      const { cached, clock } = await purgedRig();
      clock.stepWall(ms);
      expect((await cached.get()).reveal()).toBe('token-1');
    });
  });

  test('forgets a remembered failure: the next need asks at once', async () => {
    const { cached, grants, answerWith } = rig();
    answerWith(async () => {
      throw new AuthorizationServerError('permanent', 'invalid_scope');
    });
    await expect(cached.get()).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
    await expect(cached.get()).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
    expect(grants()).toBe(1);
    await cached.purge();
    answerWith(async () => {});
    expect((await cached.get()).reveal()).toBe('token-2');
  });

  test('C15 a grant that began before it and fails leaves nothing behind: no refresh token, no remembered failure', async () => {
    const { cached, events, answerWith } = rig();
    const answer = Promise.withResolvers<void>();
    answerWith(() => answer.promise);
    const waiting = cached.get();
    await settle();
    await cached.purge();
    answer.reject(new AuthorizationServerError('nonsense', 'token_missing'));
    await expect(waiting).rejects.toMatchObject({ code: 'TOKEN_INVALID' });
    const discarded = 'discarded undefined of alice';
    expect(events).toEqual([discarded, 'attempt failed', 'failed token_missing', discarded]);
    answerWith(async () => {});
    expect((await cached.get()).reveal()).toBe('token-2');
  });

  test('once closed it waits for the grant in flight and discards that token', async () => {
    const { cached, events, answerWith } = rig();
    const answer = Promise.withResolvers<void>();
    answerWith(() => answer.promise);
    const waiting = cached.get();
    await settle();
    cached.close();
    const purged = cached.purge();
    await settle();
    expect(events).toEqual([]);
    answer.resolve();
    await purged;
    expect(events).toEqual(['granted', `discarded ${(await waiting).fingerprint} of alice`]);
  });
});
