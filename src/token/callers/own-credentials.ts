/** A token made from a caller's own credentials: what they fill in, when they end, and which refusals are about them. */

import type { AuthorizationServerError } from '../../authorization-server/failure.ts';
import type { GrantConfig, TokenConfig } from '../../config/schema/tokens.ts';
import { Secret } from '../../config/secret.ts';
import type { BrokerError } from '../../errors.ts';
import { CREDENTIALS_HELD_BACK } from '../refused-credentials.ts';
import { subjectEndsAt } from '../subject-end.ts';

/** What the caller stage found in the request. */
export interface OwnCredentials {
  readonly username: string | undefined;
  readonly secret: string;
  readonly refusal: (cause: unknown) => BrokerError;
}

/** The config of the grant for this caller alone. */
export function fillIn(config: TokenConfig, { username = '', secret }: OwnCredentials): GrantConfig {
  const own = (value: string) => new Secret({ unsafeInline: value });
  if (config.grant === 'password') return { ...config, resourceOwner: { username: own(username), password: own(secret) } };
  const filled = { ...config, subject: own(secret) };
  return filled;
}

/** Wall clock, milliseconds; infinite where they do not say. */
export function credentialsEndAt(config: TokenConfig, { secret }: OwnCredentials): number {
  return config.grant === 'password' ? Number.POSITIVE_INFINITY : subjectEndsAt(secret);
}

/** Not sent at all. */
export const CREDENTIALS_ENDED = 'credentials_ended';

/**
 * Whether a failure says that the caller's credentials are no good, and not that the request or the client is. `invalid_grant` is about
 * them (RFC 6749 §5.2, RFC 7521 §4.1.1). A token exchange says `invalid_request` (RFC 8693 §2.2.2) or, at Keycloak, `invalid_token`: of
 * the subject or of the actor, so that only without an actor is it the caller's.
 */
export function refusesCredentials(config: TokenConfig): (failure: AuthorizationServerError) => boolean {
  const reasons = new Set(['invalid_grant', 'subject_expired', CREDENTIALS_ENDED, CREDENTIALS_HELD_BACK]);
  if (config.grant === 'token_exchange' && config.actor === undefined) reasons.add('invalid_request').add('invalid_token');
  return ({ reason }) => reasons.has(reason);
}
