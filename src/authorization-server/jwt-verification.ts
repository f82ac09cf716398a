/** Whether a JWT is what it says (RFC 7519, RFC 7515, RFC 8725): one answer for all that can be wrong with it. */

import type { webcrypto } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, type JWTPayload, type JWTVerifyGetKey, type JWTVerifyOptions, jwtVerify } from 'jose';
import type { VerificationAlgorithm } from '../config/verification-keys.ts';
import type { IssuerKeys, KeySet } from './issuer-keys.ts';

export type Claims = Readonly<JWTPayload>;

/** What a token says, unverified; `undefined` for what is no signed JWT, or a kind of JWT that is not meant to let anybody in. */
export function readClaims(token: string): Claims | undefined {
  try {
    return isAccessKind(decodeProtectedHeader(token).typ) ? decodeJwt(token) : undefined;
  } catch {
    return undefined;
  }
}

/** RFC 8725 §3.11: a logout token or a client assertion has a type of its own. RFC 9068 §2.1 for `at+jwt`. */
function isAccessKind(typ: unknown): boolean {
  return typ === undefined || (typeof typ === 'string' && /^(?:application\/)?(?:at\+)?jwt$/i.test(typ));
}

export interface JwtRules {
  readonly issuer: string;
  readonly audience: string;
  readonly algorithms: readonly VerificationAlgorithm[];
  readonly clockToleranceMs: number;
}

export interface VerifiedJwt {
  /** That it was verified with. */
  readonly keys: KeySet;
  /** Wall clock, milliseconds: it is worth nothing from then on. */
  readonly endsAt: number;
}

/** Why a token is not accepted: by these rules, or, where it is forged, by any, since none of these keys has signed it. */
export type JwtFault = 'forged' | 'expired' | 'not_yet_good' | 'for_others' | 'bound_to_a_key' | 'other_algorithm' | 'malformed';

export type JwtVerdict = VerifiedJwt | JwtFault;

/** Rejects with `AuthorizationServerError` where the keys cannot be had. @param nowAt wall clock */
export async function verifyJwt(token: string, source: IssuerKeys, rules: JwtRules, nowAt: number): Promise<JwtVerdict> {
  const keys = await source.get();
  const found = await verifyWith(token, keys, rules, nowAt);
  if (found !== 'unknown-key') return found;
  const newer = await source.after(keys);
  const again = newer === undefined ? 'unknown-key' : await verifyWith(token, newer, rules, nowAt);
  return again === 'unknown-key' ? 'forged' : again;
}

async function verifyWith(token: string, keys: KeySet, rules: JwtRules, nowAt: number): Promise<JwtVerdict | 'unknown-key'> {
  try {
    const claims = await signedClaims(token, keys.find, {
      issuer: rules.issuer,
      audience: rules.audience,
      algorithms: [...rules.algorithms],
      clockTolerance: rules.clockToleranceMs / 1000,
      currentDate: new Date(nowAt),
      requiredClaims: ['exp'],
    });
    if (typeof claims.iat === 'number' && claims.iat * 1000 > nowAt + rules.clockToleranceMs) return 'not_yet_good';
    // Bound to a key that nobody has proven here (RFC 7800): whoever found it could send it.
    if (claims['cnf'] !== undefined) return 'bound_to_a_key';
    return { keys, endsAt: (claims.exp as number) * 1000 + rules.clockToleranceMs };
  } catch (error) {
    return codeOf(error) === 'ERR_JWKS_NO_MATCHING_KEY' ? 'unknown-key' : faultOf(error);
  }
}

function faultOf(error: unknown): JwtFault {
  const code = codeOf(error);
  const { claim } = error as { claim?: unknown };
  if (code === FORGED) return 'forged';
  if (code === 'ERR_JWT_EXPIRED') return 'expired';
  if (code === 'ERR_JOSE_ALG_NOT_ALLOWED') return 'other_algorithm';
  if (code !== 'ERR_JWT_CLAIM_VALIDATION_FAILED') return 'malformed';
  return claim === 'aud' ? 'for_others' : claim === 'nbf' ? 'not_yet_good' : 'malformed';
}

const FORGED = 'ERR_JWS_SIGNATURE_VERIFICATION_FAILED';
/** Of a token that names no key, so many are tried. */
const MAX_TRIED = 16;

async function signedClaims(token: string, find: JWTVerifyGetKey, options: JWTVerifyOptions): Promise<JWTPayload> {
  try {
    return (await jwtVerify(token, find, options)).payload;
  } catch (error) {
    if (codeOf(error) !== 'ERR_JWKS_MULTIPLE_MATCHING_KEYS') throw error;
    let tried = 0;
    let failure: unknown;
    for await (const key of error as AsyncIterable<webcrypto.CryptoKey>) {
      if (++tried > MAX_TRIED) break;
      try {
        return (await jwtVerify(token, key, options)).payload;
      } catch (cause) {
        if (failure === undefined || codeOf(failure) === FORGED) failure = cause;
      }
    }
    throw failure;
  }
}

function codeOf(error: unknown): unknown {
  return (error as { code?: unknown } | undefined)?.code;
}
