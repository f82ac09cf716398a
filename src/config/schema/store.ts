/** `store`: where replicas share tokens, and where one keeps them for its next start. Absent: in memory alone. */

import * as z from 'zod';
import { encryptionKeyProblem } from '../contents.ts';
import { KeptFile } from '../kept-file.ts';
import { redis } from './redis.ts';
import { secret } from './references.ts';

const encryption = z
  .strictObject({
    keys: z
      .array(
        z.strictObject({
          id: z
            .string()
            .regex(/^[A-Za-z0-9._-]{1,64}$/, 'is not a key id; use up to 64 letters, digits, ".", "_" and "-"')
            .describe('Name of the key; it stands, readable, beside what the key encrypts.'),
          key: secret(encryptionKeyProblem).describe('Base64 of 32 random bytes: `openssl rand -base64 32`.'),
        }),
      )
      .min(1, 'is empty; give at least one key')
      .describe(
        'To rotate, put the new key first and keep the old one behind it: what it sealed is read until it ends. Drop the old key once all replicas have the new one.',
      ),
  })
  .describe('How tokens are encrypted in Redis and in the snapshot: AES-256-GCM under the first key.');

export const store = z
  .strictObject({
    redis: redis.optional().describe('Where replicas share tokens. Its trouble never fails a request.'),
    snapshot: z
      .string()
      .min(1, 'is empty; give the path of a file')
      .meta({ examples: ['state/tokens'] })
      .transform((path) => new KeptFile(path))
      .optional()
      .describe(
        'Path of a file, relative to this config, where this broker keeps its tokens, encrypted, mode 0600: after a restart they serve on until they end, also while the authorization server is down. Its folder must be writable, and each replica needs a file of its own.',
      ),
    prefix: z
      .string()
      .regex(/^[\x21-\x7e]{1,100}$/, 'is not a usable prefix')
      .default('token-broker:')
      .describe('Begins the name of every entry; with one server for several fleets, give each its own.'),
    encryption: encryption.optional(),
    unsafePlaintext: z
      .literal(true)
      .optional()
      .describe('Instead of "encryption": tokens stand in Redis for all to read who can read there.'),
  })
  .refine((entry) => entry.redis !== undefined || entry.snapshot !== undefined, 'needs "redis", "snapshot" or both')
  .refine((entry) => entry.snapshot === undefined || entry.encryption !== undefined, 'needs "encryption.keys" for "snapshot"')
  .refine(
    (entry) => entry.encryption !== undefined || entry.unsafePlaintext !== undefined,
    'needs "encryption.keys", or, for a test, "unsafePlaintext": true',
  )
  .refine(
    (entry) => entry.encryption === undefined || entry.unsafePlaintext === undefined,
    'has "encryption" and "unsafePlaintext"; remove one of them',
  );

export type StoreConfig = z.output<typeof store>;
export type SealKey = NonNullable<StoreConfig['encryption']>['keys'][number];
