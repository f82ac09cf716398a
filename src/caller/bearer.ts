/** Bearer tokens as callers send them: the value of one `Authorization` field (RFC 6750 §2.1). */

/** RFC 6750 §3. */
export const BEARER_CHALLENGE = 'Bearer realm="token-broker"';

/** Where a token was sent and is not accepted, for whatever reason (§3.1). */
export const INVALID_TOKEN_CHALLENGE = `${BEARER_CHALLENGE}, error="invalid_token"`;

/** Whether the field names the Bearer scheme, in any case; broken spellings count, as with Basic. */
export function isBearer(authorization: string): boolean {
  return /^bearer(?![!#$%&'*+.^_`|~0-9a-z-])/i.test(authorization);
}
