/** When a token is renewed, and when it may no longer be sent. */

import type { Clock } from '../clock.ts';
import type { RenewConfig } from '../config/schema/tokens.ts';
import type { Token } from './token.ts';

/** Ages in milliseconds, counted from when the token was asked for. */
export interface Lifetime {
  /** From here on it is renewed while it is still being served. */
  readonly renewAtAge: number;
  /** From here on it is never sent. */
  readonly unusableAtAge: number;
}

/**
 * The rule: renew `before` the end (default: the smaller of 60 s and a fifth of the lifetime), earlier by a random part of up to
 * a tenth of the lifetime (at most 60 s) so that replicas do not renew together; never send within `hardMargin` of the end
 * (default: the smaller of 5 s and a tenth). Margins that would eat the whole lifetime are cut to half of it: each token is
 * used at least for that long, so a short lifetime never means a grant for each request. `before: 0` means no renewal ahead.
 *
 * @param random uniform in [0, 1)
 */
export function planLifetime(statedMs: number, renew: RenewConfig, random: number): Lifetime {
  // A config that has followed may allow less than the one under which it came.
  const lifetimeMs = Math.min(statedMs, renew.maxLifetime);
  const half = lifetimeMs / 2;
  const unusableAtAge = lifetimeMs - Math.min(renew.hardMargin ?? Math.min(5_000, lifetimeMs / 10), half);
  if (renew.before === 0) return { renewAtAge: unusableAtAge, unusableAtAge };
  const before = renew.before ?? Math.min(60_000, lifetimeMs / 5);
  const jitter = random * Math.min(60_000, lifetimeMs / 10);
  const renewAtAge = Math.max(lifetimeMs - before - jitter, half - jitter);
  return { renewAtAge: Math.min(renewAtAge, unusableAtAge), unusableAtAge };
}

/** How long a token is still outside its hard margin: milliseconds, none where it is within. */
export function sendableMs(token: Token, renew: RenewConfig, clock: Clock): number {
  return planLifetime(token.lifetimeMs, renew, 0).unusableAtAge - token.ageMs(clock);
}

export function isSendable(token: Token, renew: RenewConfig, clock: Clock): boolean {
  return sendableMs(token, renew, clock) > 0;
}

/** The lifetime to believe: what the answer says or the default, at most `maxLifetime`. Milliseconds. */
export function acceptedLifetimeMs(statedMs: number | undefined, renew: RenewConfig): number {
  return Math.min(statedMs ?? renew.defaultLifetime, renew.maxLifetime);
}
