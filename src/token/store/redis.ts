/** The shared store of a config: in Redis. */

import type { Clock } from '../../clock.ts';
import type { StoreConfig } from '../../config/schema/store.ts';
import { RedisCommands } from './commands.ts';
import { RedisConnection } from './connection.ts';
import { SharedStore, type StoreObserver } from './shared-store.ts';

export function redisStore(config: StoreConfig, observer: StoreObserver, clock: Clock): SharedStore {
  return new SharedStore({
    config,
    observer,
    clock,
    connect: (onConnected) => new RedisCommands(new RedisConnection(config.redis, clock, onConnected), clock, config.redis.commandTimeout),
  });
}
