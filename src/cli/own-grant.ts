/** Grants that a command makes by itself, beside a broker that may be running: which tokens bear that. */

import { ownCredentialsPlace } from '../config/own-credentials.ts';
import type { TokenConfig } from '../config/schema/tokens.ts';

/** Why a command must not try it; `undefined` where it may. */
export function whyNotTried(token: TokenConfig): string | undefined {
  if (token.grant === 'refresh_token') return 'trying a refresh token may use it up';
  if (token.registration !== undefined) return 'trying it may register a client';
  return ownCredentialsPlace(token) && 'it is made from what each caller brings';
}
