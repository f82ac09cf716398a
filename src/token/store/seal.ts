/** Encryption of stored tokens at rest: AES-256-GCM under named keys. */

import { createHmac } from 'node:crypto';
import type { Secret } from '../../config/secret.ts';
import { decrypt, encrypt } from '../aes-gcm.ts';
import type { StoredToken } from './store.ts';

export interface SealKey {
  readonly id: string;
  /** Base64 of 32 bytes. */
  readonly key: Secret;
}

/** Turns tokens into text for a store and back. */
export interface Seal {
  /** The name under which a store keeps the token of an identity: says nothing about it. */
  name(identity: string): string;
  seal(name: string, token: StoredToken): string;
  /** `undefined` for anything that was not sealed under this name by a key we have. */
  open(name: string, text: string): StoredToken | undefined;
}

/** The first key seals, all open. The entry's name is authenticated with it, so that entries cannot be swapped. */
export function aesSeal(keys: readonly SealKey[]): Seal {
  const first = keys[0] as SealKey;
  return {
    name: (identity) => createHmac('sha256', Buffer.from(first.key.reveal(), 'base64')).update(`name:${identity}`).digest('hex'),
    seal(name, token) {
      return `1.${first.id}.${encrypt(first.key, name, JSON.stringify(token))}`;
    },
    open(name, text) {
      const match = /^1\.([A-Za-z0-9._-]{1,64})\.([A-Za-z0-9_-]+)$/.exec(text);
      const key = keys.find((candidate) => candidate.id === match?.[1]);
      if (match === null || key === undefined) return undefined;
      const clear = decrypt(key.key, name, match[2] as string);
      return clear === undefined ? undefined : readStoredToken(clear);
    },
  };
}

/** No encryption, by explicit choice (`unsafePlaintext`). */
export const plainSeal: Seal = {
  name: (identity) => identity,
  seal: (_name, token) => `0.${JSON.stringify(token)}`,
  open: (_name, text) => (text.startsWith('0.') ? readStoredToken(text.slice(2)) : undefined),
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
  const { value, requestedAt, lifetimeMs, scope } = parsed as Record<string, unknown>;
  const valid =
    typeof value === 'string' &&
    /^[\x21-\x7e]{1,65536}$/.test(value) &&
    typeof requestedAt === 'number' &&
    Number.isFinite(requestedAt) &&
    typeof lifetimeMs === 'number' &&
    lifetimeMs > 0 &&
    (scope === undefined || typeof scope === 'string');
  return valid ? { value, requestedAt, lifetimeMs, scope } : undefined;
}
