/** What happens to a token that is to serve nobody any more. */

import { toAuthorizationServerError } from '../authorization-server/failure.ts';
import type { TokenConfig } from '../config/schema/tokens.ts';
import type { TokenClient } from './grants/grant.ts';
import type { TokenObserver } from './observer.ts';
import type { Grant } from './source.ts';
import type { TokenStore } from './store/store.ts';
import type { Token } from './token.ts';

export interface DiscardParts {
  readonly name: string;
  readonly config: Pick<TokenConfig, 'revokeOnShutdown'>;
  readonly client: TokenClient;
  readonly grant: Grant;
  readonly store: TokenStore | undefined;
  readonly observer: TokenObserver;
}

/** @param token `undefined` where there is none; a refresh token may be held without one */
export type Discard = (token: Token | undefined, identity: string) => Promise<void>;

/**
 * Takes a token out of the store and has its grant forget the refresh token; gives both back to the server where the config says so.
 * Never rejects: what the server did not take back is told to the observer, once.
 */
export function createDiscard({ name, config, client, grant, store, observer }: DiscardParts): Discard {
  const giveBack = (...token: Parameters<TokenClient['revoke']>) =>
    client.revoke(...token).then(() => undefined, toAuthorizationServerError);

  async function revoke(token: Token | undefined, refreshToken: string | undefined): Promise<void> {
    // The refresh token first where it matters: servers end what came of it, too (RFC 7009 §2.1).
    const failures = await Promise.all([
      refreshToken === undefined ? undefined : giveBack(refreshToken, 'refresh_token'),
      token === undefined ? undefined : giveBack(token.reveal(), 'access_token'),
    ]);
    const failure = failures.find((found) => found !== undefined);
    if (failure !== undefined) observer.notRevoked(name, failure);
    else if (token !== undefined || refreshToken !== undefined) observer.revoked(name, token);
  }

  return async (token, identity) => {
    const refreshToken = grant.forget?.();
    await Promise.all([store?.remove(identity), config.revokeOnShutdown ? revoke(token, refreshToken) : undefined]);
  };
}
