/** JSON Web Signatures (RFC 7515, compact form). */

import { constants, createPrivateKey, type KeyObject, sign as signBytes } from 'node:crypto';
import type { SigningAlgorithm } from '../config/signing-key.ts';

/** @param sign makes the signature of a signing input, as the header's `alg` says */
export function compactJwt(header: object, claims: object, sign: (input: Buffer) => Buffer): string {
  const input = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.');
  return `${input}.${sign(Buffer.from(input)).toString('base64url')}`;
}

/** @param privateKey PEM, or what was made of it, of a kind that fits `alg` */
export function signatureOf(bytes: Buffer, alg: SigningAlgorithm, privateKey: string | KeyObject): Buffer {
  const key = typeof privateKey === 'string' ? createPrivateKey(privateKey) : privateKey;
  switch (alg) {
    case 'RS256':
      return signBytes('sha256', bytes, key);
    case 'PS256':
      // RFC 7518 §3.5: the salt is as long as the hash.
      return signBytes('sha256', bytes, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
    case 'ES256':
      // RFC 7518 §3.4: the two numbers side by side, not DER.
      return signBytes('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' });
    case 'EdDSA':
      return signBytes(null, bytes, key);
  }
}
