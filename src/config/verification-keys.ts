/** Public keys that signatures of JWTs are checked with: which algorithms there are, and which keys are fit for one. */

import { createPublicKey, type JsonWebKey } from 'node:crypto';

/** RFC 7518 §3.1, RFC 8037 §3.1 and RFC 9864: none with a shared secret, which a public key could be taken for (RFC 8725 §2.1). */
export const VERIFICATION_ALGORITHMS = [
  'RS256',
  'RS384',
  'RS512',
  'PS256',
  'PS384',
  'PS512',
  'ES256',
  'ES384',
  'ES512',
  'EdDSA',
  'Ed25519',
] as const;

export type VerificationAlgorithm = (typeof VERIFICATION_ALGORITHMS)[number];

/** RFC 7518 §3.3. */
const LEAST_RSA_BITS = 2048;
const CURVES: ReadonlySet<unknown> = new Set(['P-256', 'P-384', 'P-521', 'Ed25519']);

/** The fit keys among what a JWK set has under "keys" (RFC 7517 §5); the others are left out, as §5 wants. */
export function fitKeysOf(set: unknown): JsonWebKey[] {
  const keys = (set as { keys?: unknown } | null)?.keys;
  return Array.isArray(keys) ? keys.filter(isFit) : [];
}

/** The fit keys of a text: PEM public keys and certificates, or a JWK set. */
export function verificationKeysOf(text: string): JsonWebKey[] {
  const blocks = text.match(/-----BEGIN (CERTIFICATE|(?:RSA )?PUBLIC KEY)-----[^-]*-----END \1-----/g) ?? [];
  return blocks.length > 0 ? blocks.flatMap(keyOfPem) : fitKeysOf(parsed(text));
}

/** What is wrong with such a text, and the way out. */
export function verificationKeysProblem(text: string): string | undefined {
  const keys = (parsed(text) as { keys?: unknown } | undefined)?.keys;
  if (text.includes('PRIVATE KEY') || (Array.isArray(keys) && keys.some(holdsSecret)))
    return 'holds a key that is not public, and could sign; give the public keys alone';
  if (verificationKeysOf(text).length > 0) return undefined;
  return 'holds no public key for signatures; give PEM public keys or certificates, or a JWK set (RSA of 2048 bits or more, P-256, P-384, P-521, Ed25519)';
}

function isFit(key: unknown): key is JsonWebKey {
  if (typeof key !== 'object' || key === null || holdsSecret(key)) return false;
  const { use, kty, crv } = key as JsonWebKey;
  if (use !== undefined && use !== 'sig') return false;
  if (kty !== 'RSA' && !CURVES.has(crv)) return false;
  try {
    const { asymmetricKeyDetails: details } = createPublicKey({ key: key as JsonWebKey, format: 'jwk' });
    return kty !== 'RSA' || (details?.modulusLength ?? 0) >= LEAST_RSA_BITS;
  } catch {
    return false;
  }
}

/** RFC 7518 §6: `d` of every private key, `k` of a shared one. */
function holdsSecret(key: unknown): boolean {
  return typeof key === 'object' && key !== null && ('d' in key || 'k' in key);
}

function keyOfPem(block: string): JsonWebKey[] {
  try {
    const key = createPublicKey(block).export({ format: 'jwk' });
    return isFit(key) ? [key] : [];
  } catch {
    return [];
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
