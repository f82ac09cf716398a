/** Encryption of stored tokens at rest: AES-256-GCM under named keys. */

import type { SealKey } from '../../config/schema/store.ts';
import { decrypt, encrypt } from '../aes-gcm.ts';
import type { StoredToken } from './store.ts';

/** Why a text is no token for us: it is broken or planted, or sealed with a key that we do not have. */
export type Unreadable = 'damaged' | 'unknown_key';

/** Turns tokens into text for a store and back. */
export interface Seal {
  seal(name: string, token: StoredToken): string;
  /** Opens what was sealed under this name, and nothing else. */
  open(name: string, text: string): StoredToken | Unreadable;
}

/** The first key seals, all open. The entry's name is authenticated with it, so that entries cannot be swapped. */
export function aesSeal(keys: readonly SealKey[]): Seal {
  const first = keys[0] as SealKey;
  return {
    seal(name, token) {
      return `1.${first.id}.${encrypt(first.key, name, JSON.stringify(token))}`;
    },
    open(name, text) {
      const match = /^1\.([A-Za-z0-9._-]{1,64})\.([A-Za-z0-9_-]+)$/.exec(text);
      if (match === null) return 'damaged';
      const key = keys.find((candidate) => candidate.id === match[1]);
      if (key === undefined) return 'unknown_key';
      const clear = decrypt(key.key, name, match[2] as string);
      return (clear === undefined ? undefined : readStoredToken(clear)) ?? 'damaged';
    },
  };
}

/** No encryption, by explicit choice (`unsafePlaintext`); but what was mixed up on its way is still not taken for another. */
export const plainSeal: Seal = {
  seal: (name, token) => `0.${name}.${JSON.stringify(token)}`,
  open: (name, text) => (text.startsWith(`0.${name}.`) ? readStoredToken(text.slice(name.length + 3)) : undefined) ?? 'damaged',
};

/** Whatever stands in a store is somebody else's word until it has passed this. */
function readStoredToken(text: string): StoredToken | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return undefined;
  }
  if (typeof parsed !== 'object' || parsed === null) return undefined;
  const { value, requestedAt, lifetimeMs, scope, upstreamOrigin } = parsed as Record<string, unknown>;
  const valid =
    typeof value === 'string' &&
    /^[\x21-\x7e]{1,65536}$/.test(value) &&
    typeof requestedAt === 'number' &&
    Number.isFinite(requestedAt) &&
    typeof lifetimeMs === 'number' &&
    lifetimeMs > 0 &&
    (scope === undefined || typeof scope === 'string') &&
    (upstreamOrigin === undefined || typeof upstreamOrigin === 'string');
  return valid ? { value, requestedAt, lifetimeMs, scope, upstreamOrigin } : undefined;
}
