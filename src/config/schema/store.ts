/** `store`: where replicas share tokens. Absent: each keeps its own in memory. */

import * as z from 'zod';
import { certificatesProblem, encryptionKeyProblem, privateKeyProblem, redisUrlProblem } from '../contents.ts';
import { Secret } from '../secret.ts';
import { material, secret } from './references.ts';
import { duration } from './values.ts';

/** Written out only when there is no password in it. */
const plainRedisUrl = z
  .string()
  .refine((text) => !URL.canParse(text) || new URL(text).password === '', 'holds a password; give the URL by reference')
  .meta({ examples: ['rediss://redis:6379'] })
  .transform((text) => new Secret({ unsafeInline: text }, { confidential: false, check: redisUrlProblem }));

const redis = z.strictObject({
  url: z
    .union([plainRedisUrl, secret(redisUrlProblem)], {
      error: 'is neither a string nor a reference; write redis://HOST:PORT, { "fromEnv": "NAME" } or { "fromFile": "path" }',
    })
    .describe('redis:// or rediss:// URL; by reference when it holds a password.'),
  commandTimeout: duration({ minMs: 10, maxMs: 60_000 }).prefault('250ms').describe('A slower command counts as failed.'),
  tls: z
    .strictObject({
      ca: material(certificatesProblem).optional(),
      cert: material(certificatesProblem).optional(),
      key: secret(privateKeyProblem).optional(),
    })
    .optional(),
});

const encryption = z
  .strictObject({
    keys: z
      .array(
        z.strictObject({
          id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'is not a key id; use up to 64 letters, digits, ".", "_" and "-"'),
          key: secret(encryptionKeyProblem).describe('Base64 of 32 random bytes: openssl rand -base64 32.'),
        }),
      )
      .min(1, 'is empty; give at least one key'),
  })
  .describe('AES-256-GCM: the first key encrypts, all decrypt.');

export const store = z
  .strictObject({
    redis,
    prefix: z
      .string()
      .regex(/^[\x21-\x7e]{1,100}$/, 'is not a usable prefix')
      .default('token-broker:'),
    encryption: encryption.optional(),
    unsafePlaintext: z.literal(true).optional().describe('Tokens stand in Redis unencrypted.'),
  })
  .refine(
    (entry) => (entry.encryption === undefined) !== (entry.unsafePlaintext === undefined),
    'needs "encryption.keys" (or, for a test, "unsafePlaintext": true), not both',
  );

export type StoreConfig = z.output<typeof store>;
