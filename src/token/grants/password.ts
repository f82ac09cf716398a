/** The resource owner password credentials grant (RFC 6749 §4.3): a token for somebody's account. */

import type { AuthorizationServer } from '../../authorization-server/authorization-server.ts';
import { toAuthorizationServerError } from '../../authorization-server/failure.ts';
import type { Clock } from '../../clock.ts';
import type { GrantConfig } from '../../config/schema/tokens.ts';
import type { GrantObserver } from '../observer.ts';
import type { TokenSource } from '../source.ts';
import type { Token } from '../token.ts';
import { grantRequests, grantSource } from './grant.ts';

/**
 * A refresh token in the answer renews the token from then on, so that the password travels once; it lives in memory only. One that
 * is refused is forgotten, and the password follows at once. Changed credentials end its use: it belongs to those before.
 */
export function password(
  config: GrantConfig & { grant: 'password' },
  server: AuthorizationServer,
  clock: Clock,
  observer: GrantObserver,
  request = grantRequests(config, server, clock, observer),
): TokenSource {
  const { username, password } = config.resourceOwner;
  const versionOfOwner = () => `${username.version} ${password.version}`;
  let kept: { readonly refreshToken: string; readonly ofOwner: string } | undefined;

  const keep = (refreshToken: string | undefined, ofOwner: string) => {
    if (refreshToken !== undefined) kept = { refreshToken, ofOwner };
  };

  /** `undefined` when the server refused the refresh token. */
  async function renew(refreshToken: string, ofOwner: string): Promise<Token | undefined> {
    try {
      const granted = await request({ grantType: 'refresh_token', own: () => ({ refresh_token: refreshToken }), withoutScope: true });
      keep(granted.refreshToken, ofOwner);
      return granted.token;
    } catch (error) {
      const failure = toAuthorizationServerError(error);
      if (failure.failureClass === 'transient') throw failure;
      // A one-time token may have been used up by an answer that cannot be used, too.
      kept = undefined;
      if (failure.failureClass !== 'permanent') throw failure;
      observer.refused(failure);
      return undefined;
    }
  }

  const get = async () => {
    const ofOwner = versionOfOwner();
    if (kept?.ofOwner !== ofOwner) kept = undefined;
    const renewed = kept && (await renew(kept.refreshToken, ofOwner));
    if (renewed !== undefined) return renewed;
    const granted = await request({
      grantType: 'password',
      own: () => ({ username: username.reveal(), password: password.reveal() }),
    });
    keep(granted.refreshToken, ofOwner);
    return granted.token;
  };

  return grantSource(get, () => {
    const forgotten = kept?.refreshToken;
    kept = undefined;
    return forgotten;
  });
}
