/** Client assertions (RFC 7523 §2.2 and §3): a JWT in which the client vouches for itself, good for one request. */

import { randomUUID } from 'node:crypto';
import type { UnprovenRequest } from '../../authorization-server/client-proof.ts';
import type { Clock } from '../../clock.ts';
import { compactJwt } from '../signature.ts';

/** Long enough for a slow request and small differences between clocks; servers refuse much longer ones. */
const LIFETIME_SECONDS = 60;

const JWT_BEARER = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

export interface AssertionParts {
  /** `alg`, and what names the key. */
  readonly header: Readonly<Record<string, unknown>>;
  readonly audience: string | undefined;
  /** The signature of a signing input. */
  readonly sign: (input: Buffer) => Buffer;
}

/** Signs a new assertion; no two have the same `jti`. */
export function signAssertion({ clientId, issuer, tokenEndpoint }: UnprovenRequest, parts: AssertionParts, clock: Clock): string {
  const now = Math.floor(clock.now() / 1000);
  const claims = {
    iss: clientId,
    sub: clientId,
    aud: parts.audience ?? issuer ?? tokenEndpoint,
    jti: randomUUID(),
    iat: now,
    nbf: now,
    exp: now + LIFETIME_SECONDS,
  };
  return compactJwt(parts.header, claims, parts.sign);
}

/** Puts an assertion on a request. */
export function sendAssertion({ clientId, form }: UnprovenRequest, assertion: string, type = JWT_BEARER): void {
  form.set('client_id', clientId);
  form.set('client_assertion_type', type);
  form.set('client_assertion', assertion);
}
