/** Whether a store in Redis would do all that is asked of it: what `check --online` tries. */

import type { Clock } from '../../clock.ts';
import type { RedisConfig } from '../../config/schema/redis.ts';
import { RedisCommands } from './commands.ts';
import { RedisConnection } from './connection.ts';

/** Reads and removes what is not there, and writes something of no meaning that is gone after a second. Rejects with what `reasonOf` has a word for. */
export async function probeStore(redis: RedisConfig, prefix: string, clock: Clock): Promise<void> {
  const commands = new RedisCommands(new RedisConnection(redis, clock, () => {}), clock, redis.commandTimeout);
  const name = `${prefix}{check}`;
  try {
    await commands.read(name);
    await commands.probe(name);
    await commands.remove(name, '');
  } finally {
    await commands.close();
  }
}
