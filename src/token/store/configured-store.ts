/** The store that a config asks for: in Redis, with a snapshot before it, or the snapshot alone. */

import type { Clock } from '../../clock.ts';
import type { RedisConfig } from '../../config/schema/redis.ts';
import type { StoreConfig } from '../../config/schema/store.ts';
import { RedisCommands } from './commands.ts';
import { RedisConnection } from './connection.ts';
import { SharedStore, type StoreObserver } from './shared-store.ts';
import { Snapshot, type SnapshotObserver } from './snapshot.ts';
import { noStore, type TokenStore } from './store.ts';

export function configuredStore(config: StoreConfig, observer: StoreObserver & SnapshotObserver, clock: Clock): TokenStore {
  const { redis, snapshot, encryption } = config;
  const shared = redis === undefined ? noStore : sharedStore(config, redis, observer, clock);
  return snapshot === undefined || encryption === undefined
    ? shared
    : new Snapshot({ file: snapshot, keys: encryption.keys, behind: shared, observer, clock });
}

function sharedStore(config: StoreConfig, redis: RedisConfig, observer: StoreObserver, clock: Clock): SharedStore {
  const connect = (onConnected: () => void) =>
    new RedisCommands(new RedisConnection(redis, clock, onConnected), clock, redis.commandTimeout);
  return new SharedStore({ config, observer, clock, connect });
}
