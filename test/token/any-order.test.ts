/** What callers, operators, the authorization server and the clock do to one token, in any order: what holds all the same. */

import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { FakeClock, settle } from '../helpers/fake-clock.ts';
import { memoryStore } from '../helpers/memory-store.ts';
import { Replica } from '../helpers/played-replica.ts';
import { scaled } from '../helpers/scale.ts';

/** Longer than any pause after a failure. */
const LONG_MS = 700_000;

const FAILURES = {
  transient: new AuthorizationServerError('transient', 'econnrefused', { retryAfterMs: 1 }),
  'transient for a while': new AuthorizationServerError('transient', 'http_503', { retryAfterMs: 20_000 }),
  permanent: new AuthorizationServerError('permanent', 'invalid_client'),
  'refused owner': new AuthorizationServerError('permanent', 'invalid_grant', { resourceOwnerRefused: true }),
  nonsense: new AuthorizationServerError('nonsense', 'not_json'),
};
type Failure = keyof typeof FAILURES;

const replica = fc.constantFrom(0, 1);
const ms = fc.oneof(fc.integer({ min: 1, max: 2_000 }), fc.integer({ min: 1, max: 120_000 }));
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('get' as const), replica }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('peek' as const), replica }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('advance' as const), ms }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('suspend' as const), ms }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('grant' as const), replica, lifetimeMs: fc.integer({ min: 1, max: 300_000 }) }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('fail' as const),
      replica,
      failure: fc.constantFrom(...(Object.keys(FAILURES) as Failure[])),
    }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('refuse' as const), replica }) },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constantFrom('renew' as const, 'purge' as const, 'change' as const, 'reload' as const), replica }),
  },
);
type Action = typeof action extends fc.Arbitrary<infer T> ? T : never;

function run(target: Replica, clock: FakeClock, done: Action): Promise<void> | void {
  switch (done.kind) {
    case 'get':
    case 'renew':
      return target.get(done.kind);
    case 'peek':
      return target.peek();
    case 'advance':
      return clock.advance(done.ms);
    case 'suspend':
      return clock.suspend(done.ms);
    case 'grant':
      return target.pending[0]?.settle(done.lifetimeMs);
    case 'fail':
      return target.pending[0]?.settle(FAILURES[done.failure]);
    case 'refuse':
      return target.refuse();
    case 'purge':
      return target.purge();
    case 'change':
      return target.current.secretChanged();
    default:
      return target.reload();
  }
}

test('no token at its end, no two grants at once, nobody waits for ever, and all is well once the server is', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { maxLength: 60 }), async (actions) => {
      const clock = new FakeClock();
      const surroundings = { clock, store: memoryStore(), asked: [] };
      const replicas = [new Replica('a', surroundings), new Replica('b', surroundings)];
      const problems = () => replicas.flatMap((each) => each.problems);
      for (const done of actions) {
        const target = replicas['replica' in done ? done.replica : 0] as Replica;
        await run(target, clock, done);
        await settle();
        for (const each of replicas) each.check();
        expect(problems()).toEqual([]);
      }
      // The server is well again.
      for (const each of replicas) {
        for (let i = 0; i < 10; i += 1) {
          await clock.advance(LONG_MS / 10);
          each.answerAll(3_600_000);
          await settle();
        }
        each.get('get');
        await settle();
        each.answerAll(3_600_000);
        await clock.advance(2_000);
        each.answerAll(3_600_000);
        await settle();
        expect([each.current.peek() === undefined, each.waiting.size, ...problems()]).toEqual([false, 0]);
        each.current.close();
      }
      await settle();
      expect(clock.timers).toBe(0);
    }),
    { numRuns: scaled(1_000, 20_000) },
  );
});
