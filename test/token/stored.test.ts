/** What a replica takes from the store, and what it gives to it. */

import { describe, expect, test } from '@jest/globals';
import { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { cachedTokenRig } from '../helpers/cached-token.ts';
import { memoryStore } from '../helpers/memory-store.ts';

const dead = () => Promise.reject(new AuthorizationServerError('transient', 'econnrefused', { retryAfterMs: 1 }));

describe('a cached token with a store', () => {
  test('takes a token from it instead of a grant, and gives a granted one to it until its hard margin', async () => {
    const store = memoryStore();
    const first = cachedTokenRig({ store });
    await first.cached.get();
    expect(store.shared).toMatchObject([
      { identity: 'alice', ttlMs: 95_000, token: { value: 'token-1', requestedAt: first.clock.now(), lifetimeMs: 100_000 } },
    ]);
    const second = cachedTokenRig({ store });
    expect((await second.cached.get()).reveal()).toBe('token-1');
    expect(second.grants()).toBe(0);
  });

  test('does not trust one that was asked for in the future: its age cannot be told', async () => {
    const store = memoryStore();
    const { cached, clock } = cachedTokenRig({ store });
    store.held.set('alice', { value: 'ahead', requestedAt: clock.now() + 300_000, lifetimeMs: 100_000 });
    expect((await cached.get()).reveal()).toBe('token-1');
  });

  test('R10 does not forget how old it was when it came, though the wall clock is set back', async () => {
    const store = memoryStore();
    const { cached, clock, answerWith } = cachedTokenRig({ store });
    store.held.set('alice', { value: 'old', requestedAt: clock.now() - 60_000, lifetimeMs: 100_000 });
    await cached.get();
    answerWith(dead);
    clock.stepWall(-3_600_000);
    await clock.advance(34_999);
    expect(cached.peek()?.reveal()).toBe('old');
    await clock.advance(1);
    expect(cached.peek()).toBeUndefined();
  });

  test('does not take one that would have to be renewed at once: else nobody ever renews', async () => {
    const store = memoryStore();
    const { cached, clock } = cachedTokenRig({ store });
    store.held.set('alice', { value: 'old', requestedAt: clock.now() - 10_000, lifetimeMs: 100_000 });
    expect((await cached.get()).reveal()).toBe('old');
    await clock.advance(70_000);
    expect(cached.peek()?.reveal()).toBe('token-1');
  });

  test('T10 serves such a one where it has none, also while the authorization server is dead, and never past its hard margin', async () => {
    const store = memoryStore();
    const { cached, clock, answerWith } = cachedTokenRig({ store });
    answerWith(dead);
    store.held.set('alice', { value: 'old', requestedAt: clock.now() - 90_000, lifetimeMs: 100_000 });
    expect((await cached.get()).reveal()).toBe('old');
    await clock.advance(4_000);
    expect(cached.peek()?.reveal()).toBe('old');
    expect(store.gaveUp).toBeGreaterThan(0);
    await clock.advance(1_000);
    await expect(cached.get()).rejects.toMatchObject({ code: 'TOKEN_UNAVAILABLE' });
  });

  test('clamps the lifetime to its own longest', async () => {
    const store = memoryStore();
    const { cached, clock } = cachedTokenRig({ store, renew: { maxLifetime: '50s' } });
    store.held.set('alice', { value: 'long', requestedAt: clock.now() - 60_000, lifetimeMs: 1_000_000 });
    expect((await cached.get()).reveal()).toBe('token-1');
  });
});
