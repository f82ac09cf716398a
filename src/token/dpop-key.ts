/** The key that a DPoP token is bound to (RFC 9449), and the proofs that we hold it. */

import { generateKeyPairSync, hash, type KeyObject, randomUUID } from 'node:crypto';
import type { ProofKey } from '../authorization-server/proof-key.ts';
import type { Clock } from '../clock.ts';
import type { DpopAlgorithm } from '../config/schema/tokens.ts';
import { compactJwt, signatureOf } from './signature.ts';

/** Lives and dies with this process: the private part leaves this object in no way. */
export class DpopKey implements ProofKey {
  readonly #privateKey: KeyObject;
  readonly #header: object;
  readonly #alg: DpopAlgorithm;
  readonly #clock: Clock;

  constructor(alg: DpopAlgorithm, clock: Clock) {
    const { privateKey, publicKey } = alg === 'ES256' ? generateKeyPairSync('ec', { namedCurve: 'P-256' }) : generateKeyPairSync('ed25519');
    this.#privateKey = privateKey;
    this.#header = { typ: 'dpop+jwt', alg, jwk: publicKey.export({ format: 'jwk' }) };
    this.#alg = alg;
    this.#clock = clock;
  }

  /** @param token what the proof goes with, where it goes with one (§7) */
  proof(method: string, url: string, nonce: string | undefined, token?: string): string {
    const claims = {
      jti: randomUUID(),
      htm: method,
      htu: url.replace(/[?#].*$/, ''),
      iat: Math.floor(this.#clock.now() / 1000),
      nonce,
      ath: token === undefined ? undefined : hash('sha256', token, 'base64url'),
    };
    return compactJwt(this.#header, claims, (input) => signatureOf(input, this.#alg, this.#privateKey));
  }
}
