import { describe, expect, test } from '@jest/globals';
import { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { cachedTokenRig } from '../helpers/cached-token.ts';
import { memoryStore } from '../helpers/memory-store.ts';

describe('a token that an upstream refused', () => {
  test('is replaced by one grant, however many ask at once or a moment later', async () => {
    const { cached, grants, clock } = cachedTokenRig();
    const refused = await cached.get();
    await clock.advance(1_000);
    const others = await Promise.all(Array.from({ length: 100 }, () => cached.replace(refused)));
    expect(new Set(others.map((token) => token?.reveal()))).toEqual(new Set(['token-2']));
    expect((await cached.replace(refused))?.reveal()).toBe('token-2');
    expect(grants()).toBe(2);
  });

  test('is not replaced within the minimum interval after the one before was', async () => {
    const { cached, grants, clock } = cachedTokenRig();
    const refused = await cached.get();
    await clock.advance(1_000);
    const second = await cached.replace(refused);
    expect(await cached.replace(second as typeof refused)).toBeUndefined();
    await clock.advance(1_000);
    expect((await cached.replace(second as typeof refused))?.reveal()).toBe('token-3');
    expect(grants()).toBe(3);
  });

  test('is not replaced for 30 s after its replacement was refused too', async () => {
    const { cached, grants, clock } = cachedTokenRig();
    const refused = await cached.get();
    await clock.advance(1_000);
    const second = await cached.replace(refused);
    cached.refusedAgain();
    await clock.advance(29_000);
    expect(await cached.replace(second as typeof refused)).toBeUndefined();
    expect(grants()).toBe(2);
    await clock.advance(1_000);
    expect((await cached.replace(second as typeof refused))?.reveal()).toBe('token-3');
  });

  test('has no replacement where the authorization server refuses one, and the refusal is remembered', async () => {
    const { cached, grants, answerWith, clock } = cachedTokenRig();
    const refused = await cached.get();
    await clock.advance(1_000);
    answerWith(() => Promise.reject(new AuthorizationServerError('permanent', 'invalid_client')));
    expect(await cached.replace(refused)).toBeUndefined();
    await clock.advance(1_000);
    expect(await cached.replace(refused)).toBeUndefined();
    expect(grants()).toBe(2);
  });

  test('has no replacement in a store that holds the same token', async () => {
    const store = memoryStore();
    const { cached, clock } = cachedTokenRig({ store });
    store.held.set('alice', { value: 'stored', requestedAt: clock.now(), lifetimeMs: 100_000 });
    const refused = await cached.get();
    expect((await cached.replace(refused))?.reveal()).toBe('token-1');
  });
});
