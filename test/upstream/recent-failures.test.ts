import { expect, test } from '@jest/globals';
import { RecentFailures } from '../../src/upstream/recent-failures.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

test('failures are forgotten after five minutes, but the last one is still told', async () => {
  const clock = new FakeClock();
  const failures = new RecentFailures(clock);
  expect(failures.facts()).toEqual({ recent: 0, last: undefined });
  failures.add('UPSTREAM_TIMEOUT');
  failures.add('UPSTREAM_RESET');
  await clock.advance(200_000);
  failures.add('UPSTREAM_UNREACHABLE');
  const last = { code: 'UPSTREAM_UNREACHABLE', at: clock.now() };
  expect(failures.facts()).toEqual({ recent: 3, last });
  await clock.advance(100_000);
  expect(failures.facts()).toEqual({ recent: 1, last });
  await clock.advance(300_000);
  expect(failures.facts()).toEqual({ recent: 0, last });
});
