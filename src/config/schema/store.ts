/** `store`: where replicas share tokens. Absent: each keeps its own in memory. */

import * as z from 'zod';
import { duration, material, secret, strictObject } from './values.ts';

const redis = strictObject({
  url: z.union([z.string().regex(/^rediss?:\/\//, 'is not a Redis URL; begin with redis:// or rediss://').transform((text) => text), secret])
    .describe('redis:// or rediss:// URL; by reference when it holds a password.'),
  commandTimeout: duration({ minMs: 10, maxMs: 60_000 }).prefault('250ms').describe('A slower command counts as failed.'),
  tls: strictObject({ ca: material.optional(), cert: material.optional(), key: secret.optional() }).optional(),
});

const encryption = strictObject({
  keys: z
    .array(strictObject({
      id: z.string().regex(/^[A-Za-z0-9._-]{1,64}$/, 'is not a key id; use up to 64 letters, digits, ".", "_" and "-"'),
      key: secret.describe('Base64 of 32 random bytes: openssl rand -base64 32.'),
    }))
    .min(1, 'is empty; give at least one key'),
}).describe('AES-256-GCM: the first key encrypts, all decrypt.');

export const store = strictObject({
  redis,
  prefix: z.string().regex(/^[\x21-\x7e]{1,100}$/, 'is not a usable prefix').default('token-broker:'),
  encryption: encryption.optional(),
  unsafePlaintext: z.literal(true).optional().describe('Tokens stand in Redis unencrypted.'),
}).refine((entry) => (entry.encryption === undefined) !== (entry.unsafePlaintext === undefined), 'needs "encryption.keys" (or, for a test, "unsafePlaintext": true), not both');

export type StoreConfig = z.output<typeof store>;
