/** The refresh token grant (RFC 6749 §6) with a refresh token that was obtained elsewhere. */

import type { AuthorizationServer } from '../../authorization-server/authorization-server.ts';
import { toAuthorizationServerError } from '../../authorization-server/failure.ts';
import type { TokenConfig } from '../../config/schema/tokens.ts';
import type { GrantObserver } from '../observer.ts';
import type { Grant } from '../source.ts';
import type { Token } from '../token.ts';
import type { RequestGrant } from './grant.ts';
import { KeptRefreshToken, type Redeemable } from './kept-refresh-token.ts';
import { RefreshTokenRows } from './refresh-token-rows.ts';

/** A new refresh token in an answer is kept before the access token beside it is judged: the one before may be good no more. */
export function refreshToken(
  config: TokenConfig & { grant: 'refresh_token' },
  server: AuthorizationServer,
  request: RequestGrant,
  observer: GrantObserver,
  rows = new RefreshTokenRows(),
): Grant {
  const kept = new KeptRefreshToken({
    configured: config.refreshToken,
    file: config.persist,
    key: config.persistKey,
    owner: refreshTokenOwner(config, server),
    rows,
    observer,
  });

  const redeem = (used: Redeemable): Promise<Token> =>
    request({
      grantType: 'refresh_token',
      own: () => ({ refresh_token: used.token }),
      onRefreshToken: async (refreshToken) => {
        if (refreshToken !== used.token) await kept.replace(used, refreshToken);
      },
    });

  const get = () =>
    kept.inTurn(async () => {
      const used = await kept.current();
      try {
        return await redeem(used);
      } catch (error) {
        if (toAuthorizationServerError(error).failureClass !== 'permanent') throw error;
        // Another broker with the same file may have been first; its replacement is there by now.
        const newer = await kept.current();
        // Of another row it is where the configured one has changed: this is not its turn, and the next grant takes that.
        if (newer.row !== used.row || newer.token === used.token) throw error;
        return redeem(newer);
      }
    });

  return { get };
}

/** A refresh token is worth something to the client that it was issued to, at the server that issued it. */
export function refreshTokenOwner(
  { clientId }: Pick<TokenConfig, 'clientId'>,
  { identity }: Pick<AuthorizationServer, 'identity'>,
): string {
  return JSON.stringify([identity, clientId]);
}
