import { describe, expect, test } from '@jest/globals';
import { Breaker } from '../../src/authorization-server/breaker.ts';
import { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

function rig() {
  const clock = new FakeClock();
  const breaker = new Breaker(clock);
  let calls = 0;
  let failure: AuthorizationServerError | undefined = new AuthorizationServerError('transient', 'econnrefused');
  const run = () =>
    breaker
      .run(async () => {
        calls += 1;
        if (failure !== undefined) throw failure;
        return 'answered';
      })
      .catch((error: unknown) => (error as AuthorizationServerError).reason);
  return { clock, run, breaker, calls: () => calls, fail: (next: AuthorizationServerError | undefined) => (failure = next) };
}

describe('breaker', () => {
  test('T09 a server dead for a minute under five hundred requests a second is asked about ten times', async () => {
    const { clock, run, calls } = rig();
    for (let ms = 0; ms < 60_000; ms += 100) {
      for (let i = 0; i < 50; i += 1) await run();
      await clock.advance(100);
    }
    expect(calls()).toBeLessThanOrEqual(10);
    expect(calls()).toBeGreaterThanOrEqual(8);
  });

  test('its status tells how long it stays open, and that the next request may find out', async () => {
    const { clock, run, breaker, fail } = rig();
    for (let i = 0; i < 4; i += 1) await run();
    expect(breaker.status()).toEqual({ state: 'closed', openForMs: 0 });
    await run();
    await clock.advance(1_000);
    expect(breaker.status()).toEqual({ state: 'open', openForMs: 4_000 });
    await clock.advance(4_000);
    expect(breaker.status()).toEqual({ state: 'half-open', openForMs: 0 });
    fail(undefined);
    await run();
    expect(breaker.status()).toEqual({ state: 'closed', openForMs: 0 });
  });

  test('opens after five transient failures in a row, for five seconds, doubling to a minute', async () => {
    const { clock, run, calls } = rig();
    for (let i = 0; i < 5; i += 1) expect(await run()).toBe('econnrefused');
    for (const seconds of [5, 10, 20, 40, 60, 60]) {
      const before = calls();
      await clock.advance(seconds * 1000 - 1);
      expect(await run()).toBe('breaker_open');
      expect(calls()).toBe(before);
      await clock.advance(1);
      expect(await run()).toBe('econnrefused');
    }
  });

  test('while it is open, says what it was that went wrong', async () => {
    const { breaker, run } = rig();
    for (let i = 0; i < 5; i += 1) await run();
    await expect(breaker.run(async () => 'x')).rejects.toMatchObject({ reason: 'breaker_open', cause: { reason: 'econnrefused' } });
  });

  test('lets one probe through at once for somebody who asks for it, and pauses longer when that fails', async () => {
    const { breaker, run, calls } = rig();
    for (let i = 0; i < 5; i += 1) await run();
    breaker.letProbe();
    expect([await run(), await run(), calls()]).toEqual(['econnrefused', 'breaker_open', 6]);
    expect(breaker.status()).toEqual({ state: 'open', openForMs: 10_000 });
  });

  test('says how long it stays open', async () => {
    const { clock, breaker, run } = rig();
    for (let i = 0; i < 5; i += 1) await run();
    await clock.advance(2_000);
    await expect(breaker.run(async () => 'x')).rejects.toMatchObject({ failureClass: 'transient', retryAfterMs: 3_000 });
  });

  test('lets one probe through, and closes when it is answered', async () => {
    const { clock, breaker, run, calls } = rig();
    for (let i = 0; i < 5; i += 1) await run();
    await clock.advance(5_000);
    let answer = () => {};
    const probe = breaker.run(() => new Promise<string>((resolve) => (answer = () => resolve('back'))));
    expect(await run()).toBe('breaker_open');
    expect(calls()).toBe(5);
    answer();
    expect(await probe).toBe('back');
    expect(await run()).toBe('econnrefused');
  });

  test('a server that refuses is a server that works', async () => {
    const { run, fail, calls } = rig();
    fail(new AuthorizationServerError('permanent', 'invalid_client'));
    for (let i = 0; i < 20; i += 1) expect(await run()).toBe('invalid_client');
    expect(calls()).toBe(20);
  });
});
