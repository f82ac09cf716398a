import { describe, expect, test } from '@jest/globals';
import { createPasswordCheck } from '../../src/caller/password-check.ts';
import { Secret } from '../../src/config/secret.ts';
import { hashPassword } from '../../src/password-hash.ts';
import { FakeClock, settle } from '../helpers/fake-clock.ts';

const field = (username: string, password: string) => `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

function secret(value: string): Secret {
  const made = new Secret({ unsafeInline: value });
  made.fill(value);
  return made;
}

/** A check whose hashes are "hash of PASSWORD", and a count of what was computed. @param file an htpasswd file beside them */
function bench(users: Record<string, Secret[]>, file?: Secret) {
  const clock = new FakeClock();
  const computed: string[] = [];
  let held: (() => void)[] | undefined;
  const callers = Object.fromEntries(Object.entries(users).map(([name, passwordHash]) => [name, { basic: { passwordHash } }]));
  const check = createPasswordCheck({
    callers,
    callersFile: file,
    clock,
    async verify(hashText, password) {
      computed.push(`${hashText} / ${password}`);
      if (held !== undefined) {
        const { promise, resolve } = Promise.withResolvers<void>();
        held.push(resolve);
        await promise;
      }
      return hashText === `hash of ${password}`;
    },
  });
  return {
    clock,
    computed,
    whole: check,
    check: (username: string, password: string) => check.judge(field(username, password)),
    hold: () => {
      held = [];
    },
    release: async () => {
      for (let pending = held; pending !== undefined && pending.length > 0; await settle()) pending.shift()?.();
      await settle();
    },
  };
}

const BILLING = { name: 'billing', method: 'basic' };

describe('password check', () => {
  test('B05 hashes verified credentials once, then answers at once', async () => {
    const { check, computed } = bench({ billing: [secret('hash of right')] });
    await expect(check('billing', 'right')).resolves.toEqual(BILLING);
    const first = check('billing', 'right');
    expect(first).toEqual(BILLING);
    expect(check('billing', 'right')).toBe(first);
    expect(computed).toHaveLength(1);
  });

  test('B04 hashes refused credentials once in ten seconds', async () => {
    const { check, computed, clock } = bench({ billing: [secret('hash of right')] });
    await expect(check('billing', 'wrong')).resolves.toBe('refused');
    await clock.advance(9_999);
    expect(check('billing', 'wrong')).toBe('refused');
    expect(computed).toHaveLength(1);
    await clock.advance(1);
    await expect(check('billing', 'wrong')).resolves.toBe('refused');
    expect(computed).toHaveLength(2);
  });

  test('B03 an unknown name costs the same as a known one, always against the same hashes', async () => {
    const { check, computed } = bench({ billing: [secret('hash of one'), secret('hash of two')] });
    await check('billing', 'wrong');
    const known = computed.splice(0).length;
    await expect(check('nobody', 'wrong')).resolves.toBe('refused');
    expect(computed.splice(0)).toHaveLength(known);
    await expect(check('nobody', 'other')).resolves.toBe('refused');
    expect(computed).toHaveLength(known);
  });

  test('B01 an unknown name is refused even with the password of a known one', async () => {
    const { check } = bench({ billing: [secret('hash of right')] });
    for (const name of ['nobody', 'Billing', 'billing ', '__proto__', 'constructor', 'toString']) {
      await expect(check(name, 'right')).resolves.toBe('refused');
      expect(check(name, 'right')).toBe('refused');
    }
  });

  test('B01 refuses everybody, without hashing, where no caller has a password', async () => {
    const { check, computed } = bench({});
    await expect(check('billing', 'right')).resolves.toBe('refused');
    expect(computed).toEqual([]);
  });

  test('B02 refuses malformed credentials without hashing', () => {
    const check = createPasswordCheck({ callers: { billing: { basic: { passwordHash: [secret('x')] } } } });
    for (const text of ['Basic', 'Basic !', `Basic ${Buffer.from('billing').toString('base64')}`])
      expect(check.judge(text)).toBe('refused');
  });

  test('accepts any hash of the list, so that two passwords can overlap', async () => {
    const { check } = bench({ billing: [secret('hash of old'), secret('hash of new')] });
    await expect(check('billing', 'old')).resolves.toEqual(BILLING);
    await expect(check('billing', 'new')).resolves.toEqual(BILLING);
    await expect(check('billing', 'other')).resolves.toBe('refused');
  });

  test('a configured user name stands for the caller', async () => {
    const check = createPasswordCheck({
      callers: { billing: { basic: { username: 'svc_billing', passwordHash: [secret('hash of right')] } } },
      verify: async (hashText, password) => hashText === `hash of ${password}`,
    });
    await expect(check.judge(field('svc_billing', 'right'))).resolves.toEqual(BILLING);
    await expect(check.judge(field('billing', 'right'))).resolves.toBe('refused');
  });

  test('B05 what was verified or refused against a replaced hash is checked anew, and only that', async () => {
    const hash = secret('hash of old');
    const { check, computed } = bench({ billing: [hash], reports: [secret('hash of reports')] });
    await check('billing', 'old');
    await check('billing', 'new');
    await check('reports', 'reports');
    hash.fill('hash of new');
    await expect(check('billing', 'old')).resolves.toBe('refused');
    await expect(check('billing', 'new')).resolves.toEqual(BILLING);
    expect(check('reports', 'reports')).toEqual({ name: 'reports', method: 'basic' });
    expect(computed).toHaveLength(5);
  });

  test('B05 a check that began before the hash was replaced is neither shared nor remembered', async () => {
    const hash = secret('hash of old');
    const { check, computed, hold, release } = bench({ billing: [hash] });
    hold();
    const before = check('billing', 'new');
    await settle();
    hash.fill('hash of new');
    const after = check('billing', 'new');
    await release();
    await expect(before).resolves.toBe('refused');
    await expect(after).resolves.toEqual(BILLING);
    expect(check('billing', 'new')).toEqual(BILLING);
    expect(computed).toHaveLength(2);
  });

  test('B05 a thousand requests with the same credentials share one computation', async () => {
    const { check, computed } = bench({ billing: [secret('hash of right')] });
    const verdicts = await Promise.all(Array.from({ length: 1_000 }, async () => check('billing', 'right')));
    expect(new Set(verdicts)).toEqual(new Set([verdicts[0]]));
    expect(verdicts[0]).toEqual(BILLING);
    expect(computed).toHaveLength(1);
  });

  test('B04 a flood of guesses on one name is refused before another caller is', async () => {
    const { check, hold, release } = bench({ billing: [secret('hash of right')], reports: [secret('hash of reports')] });
    hold();
    const guesses = Array.from({ length: 200 }, async (_, index) => check('billing', `guess-${index}`));
    const strangers = Array.from({ length: 200 }, async (_, index) => check(`stranger-${index}`, 'x'));
    const settled = Promise.allSettled([...guesses, ...strangers]);
    const good = check('reports', 'reports');
    await settle();
    await release();
    await expect(good).resolves.toEqual({ name: 'reports', method: 'basic' });
    const outcomes = await settled;
    const overloaded = outcomes.filter((outcome) => outcome.status === 'rejected');
    expect(overloaded.every((outcome) => outcome.reason.code === 'BROKER_OVERLOADED')).toBe(true);
    // Two were running, 64 waited; the good caller took the place of one.
    expect(outcomes.length - overloaded.length).toBe(65);
  });

  test('B04 credentials that were refused for overload are not remembered as wrong', async () => {
    const { check, hold, release } = bench({ billing: [secret('hash of right')] });
    hold();
    const guesses = Promise.allSettled(Array.from({ length: 100 }, async (_, index) => check('billing', `guess-${index}`)));
    await expect(check('billing', 'right')).rejects.toMatchObject({ code: 'BROKER_OVERLOADED' });
    await release();
    await guesses;
    const again = check('billing', 'right');
    await settle();
    await release();
    await expect(again).resolves.toEqual(BILLING);
  });

  test('a failed computation is neither a verdict nor remembered', async () => {
    let failing = true;
    const check = createPasswordCheck({
      callers: { billing: { basic: { passwordHash: [secret('x')] } } },
      async verify() {
        if (failing) throw new Error('out of memory');
        return true;
      },
    });
    await expect(check.judge(field('billing', 'right'))).rejects.toThrow('out of memory');
    failing = false;
    await expect(check.judge(field('billing', 'right'))).resolves.toEqual(BILLING);
  });

  test('B05 the check of the next config hashes nobody again who has all his hashes still, and lets in nobody else', async () => {
    const file = secret('ann:hash of a\nbob:hash of b\ncarol:hash of c');
    const right = secret('hash of right');
    const before = bench({ billing: [right], left: [secret('hash of left')], both: [secret('hash of old'), secret('hash of new')] }, file);
    const users = [
      ['billing', 'right'],
      ['left', 'left'],
      ['both', 'old'],
      ['both', 'new'],
      ['ann', 'a'],
      ['bob', 'b'],
      ['carol', 'c'],
    ] as const;
    for (const [name, password] of users) await before.check(name, password);
    file.fill('bob:hash of b\ncarol:hash of c');
    const next = secret('bob:hash of other\ncarol:hash of c\nleft:hash of d');
    const after = bench({ billing: [secret('hash of third'), secret('hash of right')], both: [secret('hash of new')] }, next);
    after.whole.follow(before.whole);
    expect([after.check('billing', 'right'), after.check('carol', 'c')]).toEqual([BILLING, { name: 'carol', method: 'basic' }]);
    expect(after.computed).toEqual([]);
    expect(await Promise.all(users.map(async ([name, password]) => after.check(name, password)))).toEqual([
      BILLING,
      'refused',
      'refused',
      { name: 'both', method: 'basic' },
      'refused',
      'refused',
      { name: 'carol', method: 'basic' },
    ]);
    const third = bench({ billing: [secret('hash of right')] });
    third.whole.follow(after.whole);
    expect([await third.check('billing', 'right'), third.computed]).toEqual([BILLING, ['hash of right / right']]);
  });

  test('B05 a password that was changed before the config is not found right by the next one', async () => {
    const hash = secret('hash of old');
    const before = bench({ billing: [hash] });
    await before.check('billing', 'old');
    hash.fill('hash of new');
    const after = bench({ billing: [secret('hash of new')] });
    after.whole.follow(before.whole);
    expect([await after.check('billing', 'old'), await after.check('billing', 'new')]).toEqual(['refused', BILLING]);
  });

  test('B05 a user name that has gone to another caller is that one from then on', async () => {
    const before = bench({ billing: [secret('hash of right')] });
    await before.check('billing', 'right');
    const check = createPasswordCheck({ callers: { other: { basic: { username: 'billing', passwordHash: [secret('hash of right')] } } } });
    check.follow(before.whole);
    expect(check.judge(field('billing', 'right'))).toEqual({ name: 'other', method: 'basic' });
  });

  test('checks real hashes', async () => {
    const check = createPasswordCheck({ callers: { billing: { basic: { passwordHash: [secret(await hashPassword('pässword'))] } } } });
    await expect(check.judge(field('billing', 'pässword'))).resolves.toEqual(BILLING);
    await expect(check.judge(field('billing', 'password'))).resolves.toBe('refused');
    await expect(check.judge(field('nobody', 'pässword'))).resolves.toBe('refused');
  });

  test('refuses whoever has a hash that cannot be read', async () => {
    const check = createPasswordCheck({ callers: { billing: { basic: { passwordHash: [secret('right')] } } } });
    await expect(check.judge(field('billing', 'right'))).resolves.toBe('refused');
  });
});
