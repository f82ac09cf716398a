/** A config follows another one: what is the same token goes on, with whatever is on its way for it. */

import { describe, expect, test } from '@jest/globals';
import { noStore, type StoredToken } from '../../src/token/store/store.ts';
import { cachedTokenRig as rig } from '../helpers/cached-token.ts';
import { settle } from '../helpers/fake-clock.ts';

/** Two configs with the same token, one clock. */
function twoRigs(renewAfter: Record<string, unknown> = {}) {
  const before = rig({ renew: { minInterval: '1ms' } });
  const after = rig({ clock: before.clock, renew: { minInterval: '1ms', ...renewAfter } });
  return { before, after, clock: before.clock };
}

function held(first: ReturnType<typeof rig>) {
  const answer = Promise.withResolvers<void>();
  first.answerWith(() => answer.promise);
  return answer;
}

describe('taking over a token', () => {
  test('serves the token at hand, renews it by its own rules, and the one before renews no more', async () => {
    const { before, after, clock } = twoRigs({ before: '30s' });
    await before.cached.get();
    after.cached.takeOver(before.cached);
    expect(after.cached.peek()?.reveal()).toBe('token-1');
    expect(after.kept()).toBe('refresh-1');
    await clock.advance(75_000);
    await settle();
    expect([before.grants(), after.grants()]).toEqual([1, 1]);
  });

  test('one that nobody has used for long is not renewed for the next config either', async () => {
    const renew = { idleAfter: '50s' };
    const before = rig({ renew });
    await before.cached.get();
    await before.clock.advance(40_000);
    const after = rig({ clock: before.clock, renew });
    after.cached.takeOver(before.cached);
    await before.clock.advance(40_000);
    expect([after.grants(), after.events]).toEqual([0, ['idle']]);
  });

  test('gives the token at hand to a store that has nothing of it', async () => {
    const before = rig();
    const kept: string[] = [];
    const store = { ...noStore, keep: (identity: string, { value }: StoredToken) => void kept.push(`${value} of ${identity}`) };
    const after = rig({ clock: before.clock, store });
    await before.cached.get();
    after.cached.takeOver(before.cached);
    expect(kept).toEqual(['token-1 of alice']);
  });

  test('a longest lifetime that was made shorter holds for the token at hand, too', async () => {
    const { before, after, clock } = twoRigs({ maxLifetime: '20s' });
    const long = await before.cached.get();
    after.cached.takeOver(before.cached);
    expect(after.cached.peek()).toBe(long);
    expect(after.cached.sendableMs(long)).toBe(18_000);
    await clock.advance(21_000);
    expect(after.cached.peek()).not.toBe(long);
    expect(after.cached.mayBeSent(long)).toBe(false);
  });

  test('waits for the grant that is on its way, and takes the refresh token that came with it', async () => {
    const { before, after } = twoRigs();
    const answer = held(before);
    const waiting = before.cached.get();
    await settle();
    after.cached.takeOver(before.cached);
    const asked = after.cached.get();
    answer.resolve();
    expect([(await waiting).reveal(), (await asked).reveal()]).toEqual(['token-1', 'token-1']);
    expect([before.grants(), after.grants(), after.kept()]).toEqual([1, 0, 'refresh-1']);
  });

  test('a renewal that is on its way brings its own refresh token, not the one that it uses up', async () => {
    const { before, after, clock } = twoRigs();
    await before.cached.get();
    const answer = held(before);
    await clock.advance(85_000);
    before.cached.peek();
    await settle();
    expect(before.grants()).toBe(2);
    after.cached.takeOver(before.cached);
    expect(after.cached.peek()?.reveal()).toBe('token-1');
    answer.resolve();
    await settle();
    expect([after.cached.peek()?.reveal(), after.kept(), after.grants()]).toEqual(['token-2', 'refresh-2', 0]);
  });

  test('a third config, while the grant of the first is on its way, gets it through the second', async () => {
    const { before, after, clock } = twoRigs();
    const third = rig({ clock, renew: { minInterval: '1ms' } });
    const answer = held(before);
    const waiting = before.cached.get();
    await settle();
    after.cached.takeOver(before.cached);
    third.cached.takeOver(after.cached);
    const asked = third.cached.get();
    answer.resolve();
    await waiting;
    expect((await asked).reveal()).toBe('token-1');
    expect([after.grants(), third.grants(), third.kept()]).toEqual([0, 0, 'refresh-1']);
  });

  test('C15 a purge reaches the grant of the config before: what it brings serves nobody', async () => {
    const { before, after, clock } = twoRigs();
    const answer = held(before);
    const waiting = before.cached.get();
    await settle();
    after.cached.takeOver(before.cached);
    const asked = after.cached.get();
    await after.cached.purge();
    answer.resolve();
    await settle();
    await clock.advance(1_000);
    expect([(await waiting).reveal(), (await asked).reveal()]).toEqual(['token-2', 'token-2']);
    expect(before.events.filter((event) => event.startsWith('discarded'))).toHaveLength(1);
    expect(after.cached.peek()?.reveal()).toBe('token-2');
  });

  test('C15 a purge reaches it also where another config has followed meanwhile', async () => {
    const { before, after, clock } = twoRigs();
    const third = rig({ clock, renew: { minInterval: '1ms' } });
    const answer = held(before);
    const waiting = before.cached.get();
    await settle();
    after.cached.takeOver(before.cached);
    third.cached.takeOver(after.cached);
    const asked = third.cached.get();
    await third.cached.purge();
    answer.resolve();
    await settle();
    await clock.advance(1_000);
    expect([(await waiting).reveal(), (await asked).reveal()]).toEqual(['token-2', 'token-2']);
    expect(third.cached.peek()?.reveal()).toBe('token-2');
  });

  test('a grant of the config before that fails leaves the next one its own try', async () => {
    const { before, after } = twoRigs();
    const answer = held(before);
    const waiting = before.cached.get().catch((error: { code: string }) => error.code);
    await settle();
    after.cached.takeOver(before.cached);
    const asked = after.cached.get();
    before.cached.close();
    answer.reject(new Error('down'));
    expect(await waiting).toBe('TOKEN_UNAVAILABLE');
    expect((await asked).reveal()).toBe('token-1');
    expect(after.grants()).toBe(1);
  });

  test('T10 one that has ended on the way is not what serves when the grant before fails', async () => {
    const { before, after, clock } = twoRigs();
    await before.cached.get();
    const answer = held(before);
    await clock.advance(96_000);
    after.cached.takeOver(before.cached);
    const asked = after.cached.get();
    before.cached.close();
    answer.reject(new Error('down'));
    expect(after.cached.mayBeSent(await asked)).toBe(true);
    expect(after.grants()).toBe(1);
  });

  test('a token that an upstream refused is not what replaces it, though it is fresh and was taken over', async () => {
    const { before, after, clock } = twoRigs();
    await before.cached.get();
    await clock.advance(1_000);
    const refused = await before.cached.renew();
    await clock.advance(1_000);
    const answer = held(before);
    const renewing = before.cached.renew().catch((error: { code: string }) => error.code);
    await settle();
    after.cached.takeOver(before.cached);
    expect(after.cached.peek()).toBe(refused);
    const other = after.cached.replace(refused);
    before.cached.close();
    answer.reject(new Error('down'));
    expect(await renewing).toBe('TOKEN_UNAVAILABLE');
    expect((await other)?.reveal()).toBe('token-1');
  });

  test('one that fails is followed by one grant alone, under the newest config, however many came between', async () => {
    const { before, after, clock } = twoRigs();
    const [third, fourth] = [rig({ clock }), rig({ clock })];
    const answer = held(before);
    const waiting = before.cached.get().catch((error: { code: string }) => error.code);
    await settle();
    after.cached.takeOver(before.cached);
    const between = [after.cached.get()];
    third.cached.takeOver(after.cached);
    fourth.cached.takeOver(third.cached);
    between.push(fourth.cached.get());
    before.cached.close();
    answer.reject(new Error('down'));
    expect(await waiting).toBe('TOKEN_UNAVAILABLE');
    expect((await Promise.all(between)).map((token) => token.reveal())).toEqual(['token-1', 'token-1']);
    expect(fourth.cached.peek()?.reveal()).toBe('token-1');
    expect([before, after, third, fourth].map(({ grants }) => grants())).toEqual([1, 0, 0, 1]);
  });

  test('a config between two others has nothing of its own on its way', async () => {
    const { before, after, clock } = twoRigs();
    const third = rig({ clock });
    const answer = held(before);
    const waiting = before.cached.get();
    await settle();
    after.cached.takeOver(before.cached);
    const between = after.cached.get();
    third.cached.takeOver(after.cached);
    await after.cached.settled();
    let settledBefore = false;
    const settling = before.cached.settled().then(() => {
      settledBefore = true;
    });
    await settle();
    expect(settledBefore).toBe(false);
    answer.resolve();
    await settling;
    expect([(await waiting).reveal(), (await between).reveal(), third.cached.peek()?.reveal()]).toEqual(['token-1', 'token-1', 'token-1']);
    expect([before.grants(), after.grants(), third.grants()]).toEqual([1, 0, 0]);
  });

  test('a token that is for somebody else by now is not taken', async () => {
    const { before, after } = twoRigs();
    await before.cached.get();
    after.become('bob');
    after.cached.takeOver(before.cached);
    expect(after.cached.peek()).toBeUndefined();
  });
});
