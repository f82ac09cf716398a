/** The shared store over commands that the test plays, in its own time. */

import { describe, expect, test } from '@jest/globals';
import { simulatedRedis } from '../../../bench/fleet/simulated-redis.ts';
import { store as storeSchema } from '../../../src/config/schema/store.ts';
import type { StoreCommands } from '../../../src/token/store/commands.ts';
import { SharedStore } from '../../../src/token/store/shared-store.ts';
import { isTurn, type StoredToken, type Turn } from '../../../src/token/store/store.ts';
import { FakeClock, settle } from '../../helpers/fake-clock.ts';
import { STORE_KEY, storedToken } from '../../helpers/shared-store.ts';

const config = storeSchema.parse({ redis: { url: 'redis://simulated' }, encryption: { keys: [STORE_KEY] } });

function rig(change: (commands: StoreCommands) => StoreCommands = (commands) => commands) {
  const clock = new FakeClock();
  clock.randomValue = 0.5;
  const redis = simulatedRedis(clock);
  const commands = change(redis);
  const events: string[] = [];
  const observer = {
    lost: (reason: string) => events.push(`lost ${reason}`),
    recovered: () => events.push('recovered'),
    unreadable: (reason: string) => events.push(`unreadable ${reason}`),
  };
  let connected = () => {};
  const open = () =>
    new SharedStore({
      config,
      clock,
      observer,
      connect: (onConnected) => {
        connected = onConnected;
        return commands;
      },
    });
  /** What comes of it within this long. */
  const within = async <T>(ms: number, promise: Promise<T>): Promise<T | 'nothing yet'> => {
    await clock.advance(ms);
    return Promise.race([promise, Promise.resolve('nothing yet' as const)]);
  };
  const turn = async (store: SharedStore, identity = 'identity') => {
    const found = store.obtain(identity, () => true);
    await clock.advance(10);
    return (await found) as Turn;
  };
  return { clock, redis, events, open, within, turn, connected: () => connected() };
}

/** Of which nothing can be read while it does not work. */
function readableRig(reading: { works: boolean }) {
  const fail = () => Promise.reject(Object.assign(new Error('away'), { code: 'ECONNREFUSED' }));
  return rig((commands) => ({
    ...commands,
    read: (name) => (reading.works ? commands.read(name) : fail()),
    probe: (name) => (reading.works ? commands.probe(name) : fail()),
  }));
}

const value = (found: StoredToken | Turn | 'nothing yet') => (typeof found === 'string' || isTurn(found) ? found : found.value);

describe('a turn', () => {
  test('is had by one: the other waits, and takes what the first has shared', async () => {
    const { open, turn, within } = rig();
    const first = await turn(open());
    const waiting = open().obtain('identity', () => true);
    expect(await within(1_900, waiting)).toBe('nothing yet');
    first.share(storedToken('token-1'), 60_000);
    expect(value(await within(1_000, waiting))).toBe('token-1');
  });

  test('is kept for as long as a grant takes within four seconds, and then goes to the next', async () => {
    const { open, turn, within } = rig();
    await turn(open());
    const waiting = open().obtain('identity', () => true);
    expect(await within(4_500, waiting)).toBe('nothing yet');
    expect(await within(2_500, waiting)).toHaveProperty('giveUp');
  });

  test('that is given up lets all who wait go on', async () => {
    const { open, turn, within } = rig();
    const first = await turn(open());
    const waiting = Promise.all([open(), open(), open()].map((store) => store.obtain('identity', () => true)));
    expect(await within(500, waiting)).toBe('nothing yet');
    first.giveUp();
    expect(await within(1_000, waiting)).toHaveLength(3);
  });

  test('is waited for eight seconds at most, whoever has it', async () => {
    let other = 0;
    const busy = { take: async () => `another-${other++}` };
    const { open, within } = rig((commands) => ({ ...commands, ...busy }));
    const waiting = open().obtain('identity', () => true);
    expect(await within(7_000, waiting)).toBe('nothing yet');
    expect(await within(2_000, waiting)).toHaveProperty('giveUp');
  });

  test('whose holder never shares is waited for long once, and then for a second, until one could be had', async () => {
    let planted = true;
    let other = 0;
    const { open, within } = rig((commands) => ({
      ...commands,
      take: (...asked) => (planted ? Promise.resolve(`another-${other++}`) : commands.take(...asked)),
    }));
    const store = open();
    const obtain = () => store.obtain('identity', () => false);
    expect(await within(7_000, obtain())).toBe('nothing yet');
    await within(2_000, Promise.resolve());
    expect(await within(1_800, obtain())).toHaveProperty('giveUp');
    expect(await within(1_800, obtain())).toHaveProperty('giveUp');
    planted = false;
    const turn = await within(10, obtain());
    if (turn === 'nothing yet' || !isTurn(turn)) throw new Error('it was waited for');
    turn.share(storedToken('token-1'), 60_000);
    planted = true;
    expect(await within(7_000, obtain())).toBe('nothing yet');
  });

  test('comes soon where the entry is changed again and again, and each change is not told of', async () => {
    let writes = 0;
    const { open, within, events } = rig((commands) => ({
      ...commands,
      read: async () => ({ text: 'planted', mark: `mark-${writes}` }),
      take: async () => {
        writes += 1;
        return 'changed';
      },
    }));
    expect(
      await within(
        10,
        open().obtain('identity', () => true),
      ),
    ).toHaveProperty('giveUp');
    expect(events.length).toBeLessThanOrEqual(3);
  });

  test('comes at once from a server whose reads lag behind its writes', async () => {
    const lagging = { take: async () => 'changed' as const };
    const { open, within } = rig((commands) => ({ ...commands, ...lagging }));
    expect(
      await within(
        10,
        open().obtain('identity', () => true),
      ),
    ).toHaveProperty('giveUp');
  });
});

describe('a store in trouble', () => {
  test('is lost once, probed ever more rarely, and recovers once', async () => {
    let works = false;
    let probes = 0;
    const fail = () => Promise.reject(Object.assign(new Error('away'), { code: 'ECONNREFUSED' }));
    const { open, clock, events } = rig((commands) => ({
      ...commands,
      read: (name) => (works ? commands.read(name) : fail()),
      probe: (name) => {
        probes += 1;
        return works ? commands.probe(name) : fail();
      },
    }));
    const store = open();
    for (let index = 0; index < 10; index += 1) await store.obtain('identity', () => true);
    expect(events).toEqual(['lost econnrefused']);
    await clock.advance(60_000);
    expect(probes).toBeGreaterThan(14);
    expect(probes).toBeLessThan(20);
    works = true;
    await clock.advance(5_100);
    expect(events).toEqual(['lost econnrefused', 'recovered']);
  });

  test.each([
    ['answers', (probe: PromiseWithResolvers<void>) => probe.resolve()],
    ['fails', (probe: PromiseWithResolvers<void>) => probe.reject(new Error('closed'))],
  ])('that is closed while a probe is on its way is left alone from then on, though the probe %s', async (_how, end) => {
    const probe = Promise.withResolvers<void>();
    const read = () => Promise.reject(Object.assign(new Error('away'), { code: 'ECONNREFUSED' }));
    const { open, clock, events } = rig((commands) => ({ ...commands, read, probe: () => probe.promise }));
    const store = open();
    await store.obtain('identity', () => true);
    await clock.advance(1_000);
    await store.close();
    end(probe);
    await settle();
    expect(events).toEqual(['lost econnrefused']);
    expect(clock.timers).toBe(0);
  });

  test('C15 has a token taken out that was purged meanwhile, as soon as it is back', async () => {
    const reading = { works: true };
    const { open, clock, turn, within } = readableRig(reading);
    const store = open();
    (await turn(store)).share(storedToken('token-1'), 60_000);
    expect(
      value(
        await within(
          10,
          open().obtain('identity', () => true),
        ),
      ),
    ).toBe('token-1');
    reading.works = false;
    await store.remove('identity');
    reading.works = true;
    await clock.advance(10_000);
    expect(
      await within(
        10,
        open().obtain('identity', () => true),
      ),
    ).toHaveProperty('giveUp');
  });

  test('C15 has it taken out once: the next time that it is back it is asked for nothing of that', async () => {
    const reading = { works: true };
    const { open, clock, turn, within, redis } = readableRig(reading);
    const store = open();
    (await turn(store)).share(storedToken('token-1'), 60_000);
    await clock.advance(10);
    const costOfTrouble = async (lose: () => Promise<unknown>) => {
      reading.works = false;
      await lose();
      reading.works = true;
      const before = redis.count;
      await clock.advance(10_000);
      return redis.count - before;
    };
    const probe = 1;
    expect(await costOfTrouble(() => store.remove('identity'))).toBeGreaterThan(probe);
    expect(
      await costOfTrouble(() =>
        within(
          10,
          store.obtain('identity', () => true),
        ),
      ),
    ).toBe(probe);
  });

  test.each([
    ['back', -3_600_000],
    ['on', 3_600_000],
  ])('C15 R10 has it taken out, and a later one left there, though the wall clock was set %s meanwhile', async (_way, ms) => {
    const reading = { works: true };
    const { open, clock, turn, within } = readableRig(reading);
    const [store, other] = [open(), open()];
    const shared = (value: string) => ({ ...storedToken(value), requestedAt: clock.now() });
    for (const identity of ['purged', 'asked for again']) (await turn(store, identity)).share(shared('token-1'), 7_200_000);
    await clock.advance(1_000);
    reading.works = false;
    await Promise.all([store.remove('purged'), store.remove('asked for again')]);
    reading.works = true;
    clock.stepWall(ms);
    await clock.advance(100);
    const again = await within(
      10,
      other.obtain('asked for again', () => false),
    );
    if (again === 'nothing yet' || !isTurn(again)) throw new Error('nothing was wanted');
    again.share(shared('token-2'), 7_200_000);
    await clock.advance(10_000);
    expect(
      value(
        await within(
          10,
          open().obtain('asked for again', () => true),
        ),
      ),
    ).toBe('token-2');
    expect(
      await within(
        10,
        open().obtain('purged', () => true),
      ),
    ).toHaveProperty('giveUp');
  });

  test('is told of nothing that is not there', async () => {
    const { open, within, events } = rig();
    expect(await within(10, open().remove('never shared'))).toBeUndefined();
    expect(events).toEqual([]);
  });

  test('C15 is not given again what was purged while it was looked at', async () => {
    let look: Promise<void> | undefined;
    let looks = 0;
    const { open, clock, turn, within, connected } = rig((commands) => ({
      ...commands,
      read: (name) => {
        looks += 1;
        return look === undefined ? commands.read(name) : look.then(() => commands.read(name));
      },
    }));
    const store = open();
    (await turn(store)).share(storedToken('token-1'), 60_000);
    await clock.advance(10);
    let looked = () => {};
    look = new Promise((resolve) => (looked = resolve));
    looks = 0;
    connected();
    await clock.advance(10);
    expect(looks).toBe(1);
    look = undefined;
    await within(10, store.remove('identity'));
    looked();
    await clock.advance(10);
    const found = open().obtain('identity', () => true);
    expect(await within(10, found)).toHaveProperty('giveUp');
  });

  test('C13 is looked after for the last ten thousand tokens that were obtained here, and no more', async () => {
    const read: string[] = [];
    const { open, clock, turn, connected } = rig((commands) => ({
      ...commands,
      read: (name) => {
        read.push(name);
        return commands.read(name);
      },
    }));
    const store = open();
    for (let index = 0; index < 10_001; index += 1)
      (await turn(store, `identity-${index}`)).share(storedToken(`token-${index}`), 86_400_000);
    await clock.advance(10);
    const [first] = read.splice(0);
    connected();
    while (read.length < 10_000) await clock.advance(100);
    await clock.advance(100);
    expect(read).toHaveLength(10_000);
    expect(read).not.toContain(first);
  });
});
