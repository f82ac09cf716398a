/** Encryption of stored tokens at rest: AES-256-GCM under named keys. */

import { createCipheriv, createDecipheriv, createHmac, randomBytes } from 'node:crypto';
import type { Secret } from '../../config/secret.ts';
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

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/** The first key seals, all open. The entry's name is authenticated with it, so that entries cannot be swapped. */
export function aesSeal(keys: readonly SealKey[]): Seal {
  const bytesOf = (key: SealKey) => Buffer.from(key.key.reveal(), 'base64');
  const first = keys[0] as SealKey;
  return {
    name: (identity) => createHmac('sha256', bytesOf(first)).update(`name:${identity}`).digest('hex'),
    seal(name, token) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', bytesOf(first), nonce).setAAD(Buffer.from(name));
      const sealed = Buffer.concat([nonce, cipher.update(JSON.stringify(token)), cipher.final(), cipher.getAuthTag()]);
      return `1.${first.id}.${sealed.toString('base64url')}`;
    },
    open(name, text) {
      const match = /^1\.([A-Za-z0-9._-]{1,64})\.([A-Za-z0-9_-]+)$/.exec(text);
      const key = keys.find((candidate) => candidate.id === match?.[1]);
      if (match === null || key === undefined) return undefined;
      const sealed = Buffer.from(match[2] as string, 'base64url');
      if (sealed.length <= NONCE_BYTES + TAG_BYTES) return undefined;
      const decipher = createDecipheriv('aes-256-gcm', bytesOf(key), sealed.subarray(0, NONCE_BYTES)).setAAD(Buffer.from(name));
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      try {
        const clear = Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]);
        return readStoredToken(clear.toString());
      } catch {
        return undefined;
      }
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
