/** What of the store is good enough here, and what goes into it. */

import { allowedOrigin, type UpstreamFrom } from '../authorization-server/upstream-origin.ts';
import type { Clock } from '../clock.ts';
import type { RenewConfig } from '../config/schema/tokens.ts';
import { planLifetime } from './renewal.ts';
import type { StoredToken } from './store/store.ts';
import { Token } from './token.ts';

/** Clocks of one fleet differ a little; the hard margin covers as much. */
const CLOCK_SKEW_MS = 2_000;

export function toStored(token: Token): StoredToken {
  const { requestedAt, lifetimeMs, scope, upstreamOrigin } = token;
  return { value: token.reveal(), requestedAt, lifetimeMs, scope, upstreamOrigin };
}

/** @param renew of this replica: its longest lifetime counts here */
export function fromStored(stored: StoredToken, renew: RenewConfig, clock: Clock): Token {
  return new Token({ ...stored, lifetimeMs: Math.min(stored.lifetimeMs, renew.maxLifetime), scope: stored.scope }, clock);
}

/**
 * Whether a stored token is worth taking over. One that would have to be renewed at once is not, or else nobody ever renews; but
 * whoever has none at all serves it, and renews it meanwhile.
 */
export function isWorthTaking(stored: StoredToken, hasNone: boolean, renew: RenewConfig, clock: Clock): boolean {
  const token = fromStored(stored, renew, clock);
  const { renewAtAge, unusableAtAge } = planLifetime(token.lifetimeMs, renew, 1);
  return token.ageMs(clock) < (hasNone ? unusableAtAge : renewAtAge);
}

/**
 * Whether a stored token was certainly asked for after a moment on the monotonic clock of this process. Ages are compared: by the wall
 * clock alone, one that was set would for hours put all that comes after on the side of what came before, or the other way round. In
 * whole milliseconds, as the wall clock gives them, it may be almost one older than it seems.
 */
export function isAskedForAfter(moment: number, { requestedAt }: StoredToken, clock: Clock): boolean {
  const ageMs = clock.now() - requestedAt;
  // Its replica's clock may be further ahead of ours: then how old it is cannot be told, and it might have ended.
  return ageMs >= -CLOCK_SKEW_MS && ageMs + 1 <= clock.monotonic() - moment;
}

/** Asked again of what a store holds: whoever can write there must not name a host. */
export function mayGoTo({ upstreamOrigin: origin }: StoredToken, upstreamFrom: UpstreamFrom | undefined): boolean {
  return origin === undefined || (upstreamFrom !== undefined && allowedOrigin(origin, upstreamFrom) === origin);
}
