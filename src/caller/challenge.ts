/** Where a caller proves who it is, and how it is asked to: as a server asks, or as a forward proxy does (RFC 9110 §11.6, §11.7). */

import { BrokerError } from '../errors.ts';
import { type CallerRequest, fieldValue } from '../message.ts';

/** RFC 7617 §2. */
export const BASIC_CHALLENGE = 'Basic realm="token-broker", charset="UTF-8"';

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
