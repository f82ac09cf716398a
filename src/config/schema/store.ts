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
    .describe('redis:// or rediss:// URL; by reference when it holds a password. Read at start.'),
  commandTimeout: duration({ minMs: 10, maxMs: 60_000 })
    .prefault('250ms')
    .describe('A slower command counts as failed: requests go on without the store.'),
  tls: z
    .strictObject({
      ca: material(certificatesProblem).optional().describe("PEM certificates to trust instead of the system's."),
      cert: material(certificatesProblem).optional().describe('PEM client certificate chain, leaf first; needs "key".'),
      key: secret(privateKeyProblem).optional().describe('PEM private key of the client certificate, not encrypted.'),
    })
    .refine((tls) => (tls.cert === undefined) === (tls.key === undefined), 'needs "cert" and "key" together')
    .optional()
    .describe('For rediss:// only. Read at start: changed files need a restart.'),
});

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
  .describe('How tokens are encrypted in Redis: AES-256-GCM under the first key.');

export const store = z
  .strictObject({
    redis: redis.describe('The server. Its trouble never fails a request.'),
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
  .refine(
    (entry) => (entry.encryption === undefined) !== (entry.unsafePlaintext === undefined),
    'needs "encryption.keys" (or, for a test, "unsafePlaintext": true), not both',
  );

export type StoreConfig = z.output<typeof store>;
