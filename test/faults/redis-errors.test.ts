/** A Redis that answers with errors, under load: no request fails, and sharing comes back by itself. */

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { BROKER } from '../helpers/redis.ts';
import { type Fault, LOAD_SECONDS, testHarmless } from '../helpers/redis-trouble.ts';

const FAULTS: readonly Fault[] = [
  {
    name: 'C08 refusing the password',
    async begin({ redis }) {
      await redis.command('ACL', 'SETUSER', BROKER.username, 'resetpass', '>another');
      await redis.command('CLIENT', 'KILL', 'USER', BROKER.username);
    },
    end: ({ redis }) => redis.command('ACL', 'SETUSER', BROKER.username, `>${BROKER.password.unsafeInline}`),
  },
  {
    name: 'C08 out of memory',
    begin: ({ redis }) => redis.command('CONFIG', 'SET', 'maxmemory', '1'),
    end: ({ redis }) => redis.command('CONFIG', 'SET', 'maxmemory', '0'),
  },
  {
    name: 'C08 read-only',
    begin: ({ redis }) => redis.command('REPLICAOF', '127.0.0.1', '1'),
    end: ({ redis }) => redis.command('REPLICAOF', 'NO', 'ONE'),
  },
  {
    name: 'C08 without its master',
    async begin({ redis }) {
      await redis.command('CONFIG', 'SET', 'replica-serve-stale-data', 'no');
      await redis.command('REPLICAOF', '127.0.0.1', '1');
    },
    end: ({ redis }) => redis.command('REPLICAOF', 'NO', 'ONE'),
  },
  {
    name: 'C08 loading its data',
    args: ['--key-load-delay', '1000', '--loading-process-events-interval-bytes', '1024'],
    async begin({ redis }) {
      const fill = `for name = 1, ARGV[1] do redis.call('SET', name, '') end`;
      await redis.command('EVAL', fill, '0', String(LOAD_SECONDS * 1_000));
      await redis.command('SAVE');
      return { loaded: redis.restart() };
    },
    end: (_trouble, begun) => (begun as { loaded: Promise<void> }).loaded,
  },
  {
    name: 'C08 unable to save its data',
    async begin({ redis }) {
      const { dir } = (await redis.command('CONFIG', 'GET', 'dir')) as { dir: string };
      await mkdir(join(dir, 'dump.rdb'));
      await redis.command('CONFIG', 'SET', 'save', '3600 1');
      await redis.command('BGSAVE');
      while (!String(await redis.command('INFO', 'persistence')).includes('rdb_last_bgsave_status:err'));
    },
    end: ({ redis }) => redis.command('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no'),
  },
];

testHarmless(FAULTS);
