/** keyv over a client of Redis: what reads entries. */

import KeyvRedis from '@keyv/redis';
import type { RedisClientType } from '@redis/client';
import Keyv from 'keyv';
import { READ } from './scripts.ts';
import type { RedisClient } from './topology.ts';

export function keyvOn(client: RedisClient): Keyv<string> {
  const adapter = new KeyvRedis<string>(client as RedisClientType, { throwOnErrors: true, throwOnConnectError: true });
  const keyv = new Keyv<string>({
    store: adapter,
    useKeyPrefix: false,
    throwOnErrors: true,
    // The seal's text is what is stored: an end of its own stands inside it, where nobody can change it.
    serialize: ({ value }) => value as string,
    deserialize: <Value>(text: string) => ({ value: text as Value }),
  });
  // Whoever can write in Redis must not choose how much memory a replica needs.
  adapter.get = async <Value>(name: string) => (await client.eval(READ, { keys: [name] })) as Value | undefined;
  // Names come whole; Keyv would put a namespace of its own before them.
  adapter.namespace = undefined;
  adapter.on('error', () => undefined);
  keyv.on('error', () => undefined);
  return keyv;
}
