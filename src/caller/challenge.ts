/** Where a caller proves who it is, and how it is asked to: as a server asks, or as a forward proxy does (RFC 9110 §11.6, §11.7). */

import { BrokerError } from '../errors.ts';
import { type CallerRequest, fieldValue } from '../message.ts';

/** RFC 7617 §2. */
export const BASIC_CHALLENGE = 'Basic realm="token-broker", charset="UTF-8"';

/** The credentials that are meant for us. Of a request to a forward proxy, `Authorization` is the application's own affair. */
export function credentialsOf({ authority, fields }: Pick<CallerRequest, 'authority' | 'fields'>): string | undefined {
  return fieldValue(fields, authority === undefined ? 'authorization' : 'proxy-authorization');
}

/** @param challenges one for each scheme that would do; @param cause for the log alone */
export function challengeFor(
  { authority }: Pick<CallerRequest, 'authority'>,
  message: string,
  challenges: readonly string[],
  cause?: unknown,
): BrokerError {
  const [status, field] = authority === undefined ? [401, 'WWW-Authenticate'] : [407, 'Proxy-Authenticate'];
  const fields = challenges.flatMap((challenge) => [field, challenge]);
  return new BrokerError('CALLER_UNAUTHENTICATED', message, { stage: 'caller', cause, status, fields });
}
