import { describe, expect, test } from '@jest/globals';
import { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { cachedTokenRig } from '../helpers/cached-token.ts';
import { settle } from '../helpers/fake-clock.ts';
import { memoryStore } from '../helpers/memory-store.ts';

const permanent = () => Promise.reject(new AuthorizationServerError('permanent', 'invalid_client'));

describe('a forced renewal', () => {
  test('gets another token although the one at hand is fresh, and serves that one until the other is there', async () => {
    const { cached, grants, answerWith, clock } = cachedTokenRig();
    await cached.get();
    await clock.advance(1_000);
    let answer = () => {};
    answerWith(() => new Promise((resolve) => (answer = resolve)));
    const renewed = cached.renew();
    await settle();
    expect([grants(), cached.peek()?.reveal()]).toEqual([2, 'token-1']);
    answer();
    expect((await renewed).reveal()).toBe('token-2');
    expect(cached.peek()?.reveal()).toBe('token-2');
  });

  test('R01 joins the grant that is in flight', async () => {
    const { cached, grants, answerWith } = cachedTokenRig();
    let answer = () => {};
    answerWith(() => new Promise((resolve) => (answer = resolve)));
    const all = Promise.all([cached.get(), cached.renew(), cached.renew()]);
    await settle();
    answer();
    expect((await all).map((token) => token.reveal())).toEqual(['token-1', 'token-1', 'token-1']);
    expect(grants()).toBe(1);
  });

  test('tries at once, although a refusal is remembered', async () => {
    const { cached, grants, answerWith } = cachedTokenRig();
    answerWith(permanent);
    await expect(cached.get()).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
    answerWith(async () => {});
    expect((await cached.renew()).reveal()).toBe('token-2');
    expect((await cached.get()).reveal()).toBe('token-2');
    expect(grants()).toBe(2);
  });

  test('that fails says why, and leaves the unexpired token in service', async () => {
    const { cached, answerWith, clock } = cachedTokenRig();
    await cached.get();
    await clock.advance(1_000);
    answerWith(permanent);
    await expect(cached.renew()).rejects.toMatchObject({ code: 'TOKEN_REJECTED' });
    expect(cached.peek()?.reveal()).toBe('token-1');
  });

  test('takes no token from the store, and gives the new one to it', async () => {
    const store = memoryStore();
    const { cached, clock } = cachedTokenRig({ store });
    store.held.set('alice', { value: 'stored', requestedAt: clock.now(), lifetimeMs: 100_000 });
    expect((await cached.get()).reveal()).toBe('stored');
    expect((await cached.renew()).reveal()).toBe('token-1');
    expect(store.shared.map(({ token }) => token.value)).toEqual(['token-1']);
  });
});
