import { describe, expect, jest, test } from '@jest/globals';
import { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { BrokerError } from '../../src/errors.ts';
import { FEW_TOGETHER, RefusedCredentials } from '../../src/token/refused-credentials.ts';
import { FakeClock, settle } from '../helpers/fake-clock.ts';

const MINUTE_MS = 60_000;
const refusal = (cause: unknown) => new BrokerError('CALLER_UNAUTHENTICATED', 'no', { stage: 'caller', cause });

const refuses = (failure: AuthorizationServerError) => failure.reason === 'invalid_grant';

const idOf = (credentials: string) => ({ credentials, account: { name: credentials.split(':')[0] as string, password: credentials } });

/** A server that knows one password, `right`; passwords are `account:password`. */
function rig() {
  const clock = new FakeClock();
  const refused = new RefusedCredentials(clock);
  const sent: string[] = [];
  /** What the server says of a password instead of refusing it, or of all. */
  const trouble: { of: 'none' | 'wrong' | 'all'; reason: string } = { of: 'none', reason: 'http_500' };
  const attempt = async (credentials: string) => {
    sent.push(credentials);
    await settle();
    const isRight = credentials.endsWith(':right');
    if (trouble.of === 'all' || (trouble.of === 'wrong' && !isRight)) throw new AuthorizationServerError('transient', trouble.reason);
    if (!isRight) throw new AuthorizationServerError('permanent', 'invalid_grant');
  };
  /** As a request does it: `held back` at once, or on its turn, or what came of it. */
  const login = async (credentials: string, accepted = false): Promise<string> => {
    try {
      if (!accepted) refused.admit(idOf(credentials), refusal);
      await refused.send(idOf(credentials), accepted, () => attempt(credentials), refuses);
      return 'in';
    } catch (error) {
      const { reason } = (error instanceof BrokerError ? error.cause : error) as AuthorizationServerError;
      if (reason === 'credentials_held_back') return 'held back';
      return reason === 'invalid_grant' ? 'refused' : reason;
    }
  };
  return { clock, refused, sent, trouble, login };
}

describe('refused credentials', () => {
  test('the same password is sent again after ten minutes, no sooner', async () => {
    const { clock, refused, login } = rig();
    expect(await login('alice:old')).toBe('refused');
    await clock.advance(10 * MINUTE_MS - 1);
    refused.sweep();
    expect(await login('alice:old')).toBe('held back');
    await clock.advance(1);
    expect(await login('alice:old')).toBe('refused');
  });

  test('the same wrong password counts each time it was sent', async () => {
    const { clock, login } = rig();
    for (let times = 0; times < 3; times += 1) {
      await clock.advance(10 * MINUTE_MS);
      expect(await login('alice:old')).toBe('refused');
    }
    expect(await login('alice:other')).toBe('held back');
  });

  test('three wrong passwords in half an hour, however they are spread, and then not even the right one is tried', async () => {
    const { clock, sent, login } = rig();
    for (const guess of ['a', 'b', 'c']) {
      expect(await login(`alice:${guess}`)).toBe('refused');
      await clock.advance(9 * MINUTE_MS);
    }
    expect([await login('alice:d'), await login('alice:right'), await login('bob:right')]).toEqual(['held back', 'held back', 'in']);
    await clock.advance(3 * MINUTE_MS);
    expect(await login('alice:right')).toBe('in');
    expect(sent).toEqual(['alice:a', 'alice:b', 'alice:c', 'bob:right', 'alice:right']);
  });

  test('passwords that come at the same time go one after the other: a hundred guesses are three', async () => {
    const { sent, login } = rig();
    const outcomes = await Promise.all(Array.from({ length: 100 }, (_, index) => login(`alice:${index}`)));
    expect(outcomes.filter((outcome) => outcome === 'refused')).toHaveLength(3);
    expect(sent).toHaveLength(3);
  });

  test('one that is on its way is not forgotten when others are: the next waits for it', async () => {
    const { refused, sent, login } = rig();
    const onItsWay = Promise.withResolvers<void>();
    const first = refused.send(idOf('alice:a'), false, () => onItsWay.promise, refuses);
    await settle();
    refused.sweep();
    const second = login('alice:right');
    await settle();
    expect(sent).toEqual([]);
    onItsWay.resolve();
    await first;
    expect(await second).toBe('in');
  });

  test('the right password among wrong ones is sent on its turn', async () => {
    const { login } = rig();
    expect(await Promise.all([login('alice:a'), login('alice:b'), login('alice:right'), login('alice:c')])).toEqual([
      'refused',
      'refused',
      'in',
      'refused',
    ]);
    expect(await login('alice:d')).toBe('held back');
  });

  test('a password that was good before is held up by nobody: not by guesses, not by their turn', async () => {
    const { sent, login } = rig();
    const guesses = Promise.all(['a', 'b', 'c', 'd'].map((guess) => login(`alice:${guess}`)));
    const renewal = login('alice:right', true);
    expect(sent).toContain('alice:right');
    expect(await renewal).toBe('in');
    expect(await guesses).toEqual(['refused', 'refused', 'refused', 'held back']);
    expect(await login('alice:right', true)).toBe('in');
  });

  test('what is on its way beside it may be wrong as well: within a try a password goes out again only while three bear that', async () => {
    const { refused } = rig();
    const id = idOf('alice:one');
    const onTheirWay = Promise.withResolvers<void>();
    const beside = [1, 2].map(() =>
      refused.send(
        id,
        false,
        () => onTheirWay.promise,
        refuses,
        () => FEW_TOGETHER,
      ),
    );
    const repeats = () =>
      refused.send(
        id,
        false,
        async () => refused.mayRepeat(id),
        refuses,
        () => FEW_TOGETHER,
      );
    expect(await repeats()).toBe(false);
    onTheirWay.resolve();
    await Promise.all(beside);
    expect(await repeats()).toBe(true);
  });

  test('one that was good before goes out again within a try only while three bear that', async () => {
    const { refused, login } = rig();
    const id = idOf('alice:right');
    const repeats = () => refused.send(id, true, async () => refused.mayRepeat(id), refuses);
    await login('alice:a');
    expect(await repeats()).toBe(true);
    await login('alice:b');
    expect(await repeats()).toBe(false);
  });

  test.each(['http_500', 'http_429', 'timeout'])(
    'a server that says %s to wrong passwords is sent three of them, and the right one too late',
    async (reason) => {
      const { sent, login, trouble, clock } = rig();
      Object.assign(trouble, { of: 'wrong', reason });
      for (const guess of ['a', 'b', 'a', 'c', 'a']) expect(await login(`alice:${guess}`)).toBe(reason);
      expect([await login('alice:d'), await login('alice:right'), await login('bob:right')]).toEqual(['held back', 'held back', 'in']);
      await clock.advance(30 * MINUTE_MS);
      expect(await login('alice:d')).toBe(reason);
      expect(new Set(sent)).toEqual(new Set(['alice:a', 'alice:b', 'alice:c', 'bob:right', 'alice:d']));
    },
  );

  test('T09 an outage holds nobody back who repeats a password, and is forgotten once that is accepted', async () => {
    const { sent, login, trouble } = rig();
    trouble.of = 'all';
    for (let i = 0; i < 20; i += 1) expect(await login('alice:right')).toBe('http_500');
    trouble.of = 'none';
    expect(await login('alice:right')).toBe('in');
    expect(sent).toHaveLength(21);
    for (const guess of ['a', 'b', 'c']) expect(await login(`alice:${guess}`)).toBe('refused');
    expect(await login('alice:d')).toBe('held back');
  });

  test('one that nothing was said of and that is refused then counts once', async () => {
    const { login, trouble } = rig();
    trouble.of = 'all';
    expect(await login('alice:a')).toBe('http_500');
    trouble.of = 'none';
    for (const guess of ['a', 'b', 'c']) expect(await login(`alice:${guess}`)).toBe('refused');
    expect(await login('alice:d')).toBe('held back');
  });

  test('one that was good before counts for nothing while nothing is said of it', async () => {
    const { login, trouble } = rig();
    trouble.of = 'all';
    expect(await login('alice:right', true)).toBe('http_500');
    trouble.of = 'none';
    for (const guess of ['a', 'b', 'c']) expect(await login(`alice:${guess}`)).toBe('refused');
  });

  test('what an open breaker kept from being sent does not count', async () => {
    const { login, trouble } = rig();
    Object.assign(trouble, { of: 'all', reason: 'breaker_open' });
    for (let i = 0; i < 5; i += 1) expect(await login(`alice:${i}`)).toBe('breaker_open');
    trouble.of = 'none';
    expect(await login('alice:right')).toBe('in');
  });

  test('a failure that is not about the credentials holds nobody back', async () => {
    const { refused, login } = rig();
    const id = idOf('alice:x');
    const dead = () => Promise.reject(new AuthorizationServerError('transient', 'econnrefused'));
    for (let i = 0; i < 5; i += 1) await expect(refused.send(id, false, dead, refuses)).rejects.toMatchObject({ reason: 'econnrefused' });
    expect(() => refused.admit(id, refusal)).not.toThrow();
    const clientRefused = () => Promise.reject(new AuthorizationServerError('permanent', 'invalid_client'));
    for (const guess of ['a', 'b', 'c']) await expect(refused.send(idOf(`bob:${guess}`), false, clientRefused, refuses)).rejects.toThrow();
    expect(await login('bob:right')).toBe('in');
  });

  test('a token or an assertion is sent again after half a minute, and the oldest of ten thousand is forgotten', async () => {
    const { clock, refused } = rig();
    const idOf = (credentials: string) => ({ credentials, account: undefined });
    const refuse = (credentials: string) =>
      refused
        .send(idOf(credentials), false, () => Promise.reject(new AuthorizationServerError('permanent', 'invalid_grant')), refuses)
        .catch(() => {});
    for (let i = 0; i <= 10_000; i += 1) await refuse(`subject-${i}`);
    expect(() => refused.admit(idOf('subject-0'), refusal)).not.toThrow();
    expect(() => refused.admit(idOf('subject-1'), refusal)).toThrow('no');
    await clock.advance(29_999);
    expect(() => refused.admit(idOf('subject-10000'), refusal)).toThrow('no');
    await clock.advance(1);
    expect(() => refused.admit(idOf('subject-10000'), refusal)).not.toThrow();
  });

  test('ten thousand accounts with refused passwords are enough: who guesses on cannot make the first forgotten', async () => {
    const { clock, refused } = rig();
    const guess = (account: string) =>
      refused
        .send(idOf(`${account}:guess`), false, () => Promise.reject(new AuthorizationServerError('permanent', 'invalid_grant')), refuses)
        .catch(() => {});
    for (let i = 0; i < 10_000; i += 1) await guess(`user-${i}`);
    expect(() => refused.admit(idOf('one more:guess'), refusal)).toThrow(
      expect.objectContaining({ code: 'BROKER_OVERLOADED', status: 503 }),
    );
    expect(() => refused.admit(idOf('user-0:other'), refusal)).not.toThrow();
    // Looking for one that may be forgotten means looking at all.
    const sweeps = jest.spyOn(refused, 'sweep');
    for (let i = 0; i < 100; i += 1) expect(() => refused.admit(idOf(`more-${i}:guess`), refusal)).toThrow();
    expect(sweeps).not.toHaveBeenCalled();
    await clock.advance(30 * MINUTE_MS);
    expect(() => refused.admit(idOf('one more:guess'), refusal)).not.toThrow();
  });
});
