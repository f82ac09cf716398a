/** The token stage of many replicas, the real code, over a simulated Redis and in simulated time. */

import { pause } from '../../src/clock.ts';
import { store as storeSchema } from '../../src/config/schema/store.ts';
import { token as tokenSchema } from '../../src/config/schema/tokens.ts';
import { CachedToken } from '../../src/token/cached.ts';
import { SharedStore } from '../../src/token/store/shared-store.ts';
import { Token } from '../../src/token/token.ts';
import { UNOBSERVED } from '../../src/token/unobserved.ts';
import { SimulatedClock } from './simulated-clock.ts';
import { simulatedRedis } from './simulated-redis.ts';

const LIFETIME_MS = 3_600_000;
/** How long the authorization server takes for a grant. */
const GRANT_MS = 200;
/** Looks at each replica, for each lifetime: would a caller have had to wait? */
const LOOKS = 20;

export interface Simulated {
  readonly replicas: number;
  /** When all asked at the same moment for a token that nobody had. */
  readonly coldGrants: number;
  readonly coldMs: number;
  readonly coldCommands: number;
  readonly grantsPerLifetime: number;
  /** Of all looks. */
  readonly waited: number;
  /** For each replica and lifetime. */
  readonly commands: number;
}

export async function simulate(replicas: number, lifetimes: number): Promise<Simulated> {
  const clock = new SimulatedClock();
  const redis = simulatedRedis(clock);
  let grants = 0;
  const fleet = Array.from({ length: replicas }, () => replica(clock, redis, () => ++grants));
  const startedAt = clock.monotonic();
  let lastAt = startedAt;
  const served = Promise.all(fleet.map((each) => each.get().then(() => (lastAt = clock.monotonic()))));
  await clock.advance(10_000);
  await served;
  const cold = { coldGrants: grants, coldMs: lastAt - startedAt, coldCommands: redis.count / replicas };
  [grants] = [0];
  const commandsBefore = redis.count;
  let waited = 0;
  for (let look = 0; look < lifetimes * LOOKS; look += 1) {
    await clock.advance(LIFETIME_MS / LOOKS);
    for (const each of fleet) if (each.peek() === undefined) waited += 1;
  }
  for (const each of fleet) each.close();
  const commands = (redis.count - commandsBefore) / replicas / lifetimes;
  return { replicas, ...cold, grantsPerLifetime: grants / lifetimes, waited, commands };
}

const { renew } = tokenSchema.parse({
  authorizationServer: 'as',
  grant: 'client_credentials',
  clientId: 'bench',
  clientAuthentication: { secret: { unsafeInline: 'bench-secret' } },
});
const config = storeSchema.parse({
  redis: { url: 'redis://simulated' },
  encryption: { keys: [{ id: 'k', key: { unsafeInline: Buffer.alloc(32).toString('base64') } }] },
});

function replica(clock: SimulatedClock, redis: ReturnType<typeof simulatedRedis>, granted: () => number): CachedToken {
  const store = new SharedStore({
    config,
    clock,
    observer: UNOBSERVED.storeObserver,
    connect: () => redis,
  });
  const grant = async () => {
    const requestedAt = clock.now();
    await pause(clock, GRANT_MS);
    return new Token({ value: `token-${granted()}`.padEnd(800, 'x'), requestedAt, lifetimeMs: LIFETIME_MS, scope: undefined }, clock);
  };
  return new CachedToken({
    name: 'bench',
    identity: '0'.repeat(64),
    grant: { get: grant },
    renew: { ...renew, idleAfter: Number.POSITIVE_INFINITY },
    store,
    discard: (_token, identity) => store.remove(identity),
    observer: UNOBSERVED.observer,
    clock,
  });
}
