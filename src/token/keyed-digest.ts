/** Digests of what must not be kept, under a key that nobody else has: they tell nothing, and fit nothing outside this process. */

import { createHmac, randomBytes } from 'node:crypto';

export type KeyedDigest = (...parts: readonly (string | null)[]) => string;

/** Parts are framed as JSON: no two lists have the same text. */
export function createKeyedDigest(): KeyedDigest {
  const key = randomBytes(32);
  return (...parts) => createHmac('sha256', key).update(JSON.stringify(parts)).digest('base64');
}
