/** What is shown of a token: never the token. */

import type { Clock } from '../clock.ts';
import type { LastFailure } from './failure.ts';
import type { Lifetime } from './renewal.ts';
import type { Token } from './token.ts';

export type TokenState = 'none' | 'fresh' | 'renewing' | 'expired';

/** Of the token at hand. */
interface AtHand {
  readonly state: TokenState;
  readonly fingerprint: string | undefined;
  /** As granted. */
  readonly scope: string | undefined;
  readonly secondsLeft: number | undefined;
  /** What it was planned with when it came. */
  readonly plan: (Lifetime & { readonly lifetimeMs: number; readonly ageMs: number }) | undefined;
}

export interface TokenStatus extends AtHand {
  /** Requests that wait for it. */
  readonly waiting: number;
  /** It is being asked for at this moment. */
  readonly obtaining: boolean;
  /** Milliseconds until it is asked for without anybody's need; `undefined` where it will not be. */
  readonly renewsInMs: number | undefined;
  readonly lastFailure: LastFailure | undefined;
}

export function atHand(held: (Lifetime & { readonly token: Token }) | undefined, clock: Clock): AtHand {
  if (held === undefined) return { state: 'none', fingerprint: undefined, scope: undefined, secondsLeft: undefined, plan: undefined };
  const { token, renewAtAge, unusableAtAge } = held;
  const { fingerprint, scope, lifetimeMs } = token;
  const ageMs = token.ageMs(clock);
  const state = ageMs >= unusableAtAge ? 'expired' : ageMs >= renewAtAge ? 'renewing' : 'fresh';
  const plan = { lifetimeMs, ageMs, renewAtAge, unusableAtAge };
  return { state, fingerprint, scope, secondsLeft: (lifetimeMs - ageMs) / 1000, plan };
}
