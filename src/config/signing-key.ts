/** Which signatures a private key can make: one table for those who check the config and those who sign. */

import { createPrivateKey } from 'node:crypto';

/** Names of RFC 7518 §3.1 and RFC 8037 §3.1. */
export const SIGNING_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'EdDSA'] as const;

export type SigningAlgorithm = (typeof SIGNING_ALGORITHMS)[number];

/** RFC 7518 §3.3 and §3.5. */
const LEAST_RSA_BITS = 2048;

/** The algorithms that fit a private key in PEM, the usual one first; none for a key of another kind. */
export function signingAlgorithmsOf(key: string): readonly SigningAlgorithm[] {
  const { asymmetricKeyType, asymmetricKeyDetails } = createPrivateKey(key);
  if (asymmetricKeyType === 'rsa') return (asymmetricKeyDetails?.modulusLength ?? 0) < LEAST_RSA_BITS ? [] : ['RS256', 'PS256'];
  if (asymmetricKeyType === 'ec') return asymmetricKeyDetails?.namedCurve === 'prime256v1' ? ['ES256'] : [];
  return asymmetricKeyType === 'ed25519' ? ['EdDSA'] : [];
}
