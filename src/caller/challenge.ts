/** Where a caller proves who it is, and how it is asked to: as a server asks, or as a forward proxy does (RFC 9110 §11.6, §11.7). */

import { BrokerError } from '../errors.ts';
import { type CallerRequest, fieldValue } from '../message.ts';

/** RFC 7617 §2. */
export const BASIC_CHALLENGE = 'Basic realm="token-broker", charset="UTF-8"';

/** RFC 6750 §3. */
export const BEARER_CHALLENGE = 'Bearer realm="token-broker"';

/** Where a token was sent and is not accepted, for whatever reason (RFC 6750 §3.1). */
export const INVALID_TOKEN_CHALLENGE = `${BEARER_CHALLENGE}, error="invalid_token"`;

/** RFC 4559 §4.1. */
export const NEGOTIATE_CHALLENGE = 'Negotiate';

const SCHEMES = { basic: beginningWith('basic'), bearer: beginningWith('bearer'), negotiate: beginningWith('negotiate') };

export type Scheme = keyof typeof SCHEMES;

/**
 * Whether the field names the scheme, in any case. A scheme ends at the first byte that no token may hold, so that broken
 * spellings (a tab, a quote) count as our credentials too and are never passed on as the application's own.
 */
export function namesScheme(authorization: string, scheme: Scheme): boolean {
  return SCHEMES[scheme].test(authorization);
}

function beginningWith(scheme: string): RegExp {
  return new RegExp(`^${scheme}(?![!#$%&'*+.^_\`|~0-9a-z-])`, 'i');
}

/** The credentials that are meant for us. Of a request to a forward proxy, `Authorization` is the application's own affair. */
export function credentialsOf({ authority, fields }: Pick<CallerRequest, 'authority' | 'fields'>): string | undefined {
  return fieldValue(fields, authority === undefined ? 'authorization' : 'proxy-authorization');
}

/** Where a challenge stands, and what else a scheme has to say to the caller. */
export function challengeField({ authority }: Pick<CallerRequest, 'authority'>): string {
  return authority === undefined ? 'WWW-Authenticate' : 'Proxy-Authenticate';
}

/** @param challenges one for each scheme that would do; @param cause for the log alone */
export function challengeFor(
  request: Pick<CallerRequest, 'authority'>,
  message: string,
  challenges: readonly string[],
  cause?: unknown,
): BrokerError {
  const status = request.authority === undefined ? 401 : 407;
  const fields = challenges.flatMap((challenge) => [challengeField(request), challenge]);
  return new BrokerError('CALLER_UNAUTHENTICATED', message, { stage: 'caller', cause, status, fields });
}
