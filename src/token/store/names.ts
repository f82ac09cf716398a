/** Under which names a store holds the token of an identity: they say nothing about it. */

import { createHmac } from 'node:crypto';
import type { SealKey } from '../../config/schema/store.ts';

/** The name to write first; the others belong to older keys, whose entries count until they end. */
export type Names = readonly [string, ...string[]];

/**
 * Keyed digests: whoever reads or writes in the store can neither guess an identity nor name an entry of one. The braces are a hash
 * tag: in a cluster, everything whose name begins so stands on the same node.
 */
export function namesOf(identity: string, prefix: string, keys: readonly SealKey[] | undefined): Names {
  const [first, ...older] = (keys ?? []).map(({ key }) =>
    createHmac('sha256', Buffer.from(key.reveal(), 'base64')).update(`name:${identity}`).digest('hex'),
  );
  return [`${prefix}{${first ?? identity}}`, ...older.map((digest) => `${prefix}{${digest}}`)];
}
