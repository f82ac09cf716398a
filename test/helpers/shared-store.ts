/** One replica's side of a shared store, without a broker around it; and the scene of tests that have a Redis each. */

import { createHmac } from 'node:crypto';
import { afterEach, beforeEach } from '@jest/globals';
import { systemClock } from '../../src/clock.ts';
import { type StoreConfig, store as storeSchema } from '../../src/config/schema/store.ts';
import { configuredStore } from '../../src/token/store/configured-store.ts';
import { isTurn, type StoredToken, type TokenStore, type Turn } from '../../src/token/store/store.ts';
import { confide } from './eavesdropper.ts';
import { type Redis, type RedisOptions, startRedis } from './redis.ts';

export const STORE_KEY = { id: 'k1', key: { unsafeInline: Buffer.alloc(32, 7).toString('base64') } };

export interface TestStore {
  readonly store: TokenStore;
  /** `lost etimedout`, `recovered`, `unreadable damaged`, in order. */
  readonly events: string[];
  /** Resolves with the first event, past or to come, that fits. */
  happened(event: RegExp): Promise<string>;
  /** The value of a token that stands there, or the turn to obtain one. */
  obtain(identity?: string): Promise<string | Turn>;
  /** Obtains a turn and shares a token by it. */
  share(value: string, identity?: string): Promise<void>;
  close(): Promise<void>;
}

/** A token of a minute's life, asked for now. */
export function storedToken(value: string): StoredToken {
  return { value: confide('a token', value), requestedAt: Date.now(), lifetimeMs: 60_000 };
}

/** @param redis as a user would write it, or none @param more keys of `store` @param prepare fills what comes from files */
export function openStore(
  redis: Record<string, unknown> | undefined,
  more: Record<string, unknown> = {},
  prepare: (config: StoreConfig) => void = () => undefined,
): TestStore {
  const config = storeSchema.parse({ redis, encryption: { keys: [STORE_KEY] }, ...more });
  prepare(config);
  const events: string[] = [];
  const watchers = new Set<() => void>();
  const tell = (event: string) => {
    events.push(event);
    for (const look of watchers) look();
  };
  const observer = {
    lost: (reason: string) => tell(`lost ${reason}`),
    recovered: () => tell('recovered'),
    unreadable: (reason: string, first: boolean) => tell(`unreadable ${reason}${first ? '' : ' again'}`),
    notKept: () => tell('not kept'),
  };
  const store = configuredStore(config, observer, systemClock);
  const obtain = async (identity = 'identity') => {
    const found = await store.obtain(confide('an identity', identity), () => true);
    return isTurn(found) ? found : found.value;
  };
  return {
    store,
    events,
    happened: (event) =>
      new Promise((resolve) => {
        const look = () => {
          const found = events.find((each) => event.test(each));
          if (found === undefined) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        look();
      }),
    obtain,
    async share(value, identity) {
      const turn = await obtain(identity);
      if (typeof turn === 'string') throw new Error(`there is one already: ${turn}`);
      turn.share(storedToken(value), 60_000);
    },
    close: () => store.close(),
  };
}

/** The name in Redis of the entry of an identity, as whoever has `STORE_KEY` finds it. */
export function entryName(identity: string, prefix = 'token-broker:'): string {
  const key = Buffer.from(STORE_KEY.key.unsafeInline, 'base64');
  return `${prefix}{${createHmac('sha256', key).update(`name:${identity}`).digest('hex')}}`;
}

export interface StoreScene {
  /** Of the test that runs. */
  readonly redis: Redis;
  /** One of its own for the test that runs, in place of the usual one. */
  start(options?: RedisOptions): Promise<void>;
  /** One more replica's side of the store in `redis`. @param more keys of `store` */
  open(more?: Record<string, unknown>): TestStore;
  /** What is closed after the test, the last one first. */
  readonly closing: { close(): Promise<unknown> }[];
}

/** For each test of the file a Redis of its own, and all that is opened closed after it. */
export function storeScene(options?: RedisOptions): StoreScene {
  const closing: StoreScene['closing'] = [];
  let redis: Redis;
  const start = async (own = options) => {
    redis = await startRedis(own);
    closing.push(redis);
  };
  beforeEach(() => start());
  afterEach(async () => {
    for (const each of closing.splice(0).reverse()) await each.close();
  });
  return {
    get redis() {
      return redis;
    },
    start,
    open(more) {
      const store = openStore({ ...redis.access, commandTimeout: '5s' }, more);
      closing.push(store);
      return store;
    },
    closing,
  };
}
