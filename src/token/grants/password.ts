/** The resource owner password credentials grant (RFC 6749 §4.3): a token for somebody's account. */

import { hash } from 'node:crypto';
import { toAuthorizationServerError } from '../../authorization-server/failure.ts';
import type { GrantConfig } from '../../config/schema/tokens.ts';
import type { GrantObserver } from '../observer.ts';
import type { Grant, KeptToken } from '../source.ts';
import type { Token } from '../token.ts';
import type { RequestGrant } from './grant.ts';

interface Kept extends KeptToken {
  /** The access token that it came with could not be used. */
  readonly doubtful: boolean;
}

/**
 * A refresh token in the answer renews the token from then on, so that the password travels once; it lives in memory only. One that
 * is refused is forgotten, and the password follows at once. Changed credentials end its use: it belongs to those before.
 */
export function password(config: GrantConfig & { grant: 'password' }, request: RequestGrant, observer: GrantObserver): Grant {
  const { username, password } = config.resourceOwner;
  const owner = () => hash('sha256', JSON.stringify([username.reveal(), password.reveal()]));
  let kept: Kept | undefined;
  let acceptedOwner: string | undefined;

  /** `undefined` when the server refused the refresh token. */
  async function renew(used: Kept): Promise<Token | undefined> {
    let next: Kept | undefined;
    try {
      const token = await request({
        grantType: 'refresh_token',
        own: () => ({ refresh_token: used.token }),
        withoutScope: true,
        onRefreshToken: (refreshToken) => {
          next = { ...used, token: refreshToken };
        },
      });
      if (next !== undefined || kept === used) kept = { ...(next ?? used), doubtful: false };
      return token;
    } catch (error) {
      const failure = toAuthorizationServerError(error);
      if (failure.failureClass === 'transient') throw failure;
      // A one-time token may have been used up by an answer that cannot be used, too; two of those in a row, and the password is tried.
      kept = next && !used.doubtful ? { ...next, doubtful: true } : undefined;
      if (failure.failureClass !== 'permanent') throw failure;
      observer.refused(failure);
      return undefined;
    }
  }

  const get = async () => {
    const of = owner();
    if (kept?.of !== of) kept = undefined;
    const renewed = kept && (await renew(kept));
    if (renewed !== undefined) return renewed;
    let given: Kept | undefined;
    const token = await request({
      grantType: 'password',
      own: () => ({ username: username.reveal(), password: password.reveal() }),
      ownerAccepted: acceptedOwner === of,
      onRefreshToken: (refreshToken) => {
        given = { token: refreshToken, of, doubtful: false };
      },
    });
    kept = given;
    acceptedOwner = of;
    return token;
  };

  const forget = () => {
    const forgotten = kept?.token;
    kept = undefined;
    return forgotten;
  };

  return {
    get,
    forget,
    kept: () => kept,
    keep(before) {
      kept ??= before && { ...before, doubtful: false };
    },
  };
}
