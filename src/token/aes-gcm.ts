/** AES-256-GCM for what leaves the process: text in, one piece of text out. */

import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import type { Secret } from '../config/secret.ts';

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Base64url of nonce, ciphertext and tag.
 *
 * @param key base64 of 32 bytes
 * @param name is authenticated with the text: it opens under no other, so that sealed texts cannot be swapped
 */
export function encrypt(key: Secret, name: string, text: string): string {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', bytesOf(key), nonce).setAAD(Buffer.from(name));
  return Buffer.concat([nonce, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString('base64url');
}

/** `undefined` for anything that was not sealed under this name by this key. */
export function decrypt(key: Secret, name: string, text: string): string | undefined {
  const sealed = Buffer.from(text, 'base64url');
  if (sealed.length <= NONCE_BYTES + TAG_BYTES) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', bytesOf(key), sealed.subarray(0, NONCE_BYTES)).setAAD(Buffer.from(name));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(NONCE_BYTES, -TAG_BYTES)), decipher.final()]).toString();
  } catch {
    return undefined;
  }
}

function bytesOf(key: Secret): Buffer {
  return Buffer.from(key.reveal(), 'base64');
}
