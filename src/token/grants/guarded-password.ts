/** The password grant with the credentials of the config, where several tokens may be for one account: together they must not lock it. */

import type { AuthorizationServer } from '../../authorization-server/authorization-server.ts';
import type { GrantConfig } from '../../config/schema/tokens.ts';
import { accountId } from '../account.ts';
import { createKeyedDigest } from '../keyed-digest.ts';
import type { GrantObserver } from '../observer.ts';
import type { FindRefused } from '../refused-at-server.ts';
import { FEW_TOGETHER, ONE_BY_ONE } from '../refused-credentials.ts';
import type { Grant } from '../source.ts';
import type { RequestGrant } from './grant.ts';
import { password } from './password.ts';

export type GuardedPassword = (
  config: GrantConfig & { grant: 'password' },
  server: AuthorizationServer,
  request: RequestGrant,
  observer: GrantObserver,
) => Grant;

/**
 * The password of an account goes out for one token after the other, for a few at once where they had it accepted, and one that is refused
 * no oftener than those of callers, for all tokens together: after a rotation a dozen of them would be enough to lock the account.
 */
export function guardedPasswords(refusedAt: FindRefused): GuardedPassword {
  const digest = createKeyedDigest();
  return (config, server, request, observer) => {
    const { username, password: secret } = config.resourceOwner;
    const refused = refusedAt(server);
    const currentId = () => {
      const both = accountId(username.reveal(), secret.reveal(), digest).password;
      // By its password: another one begins anew, and what callers guess holds up no token of the config.
      return { credentials: undefined, account: { name: both, password: both } };
    };
    const guarded: RequestGrant = async (asked) => {
      if (asked.grantType !== 'password') return request(asked);
      const found = await refused.find();
      const id = currentId();
      const send = () => request({ ...asked, mayRepeat: () => found.mayRepeat(id) });
      // What may go out twice within a try goes alone; what the server took for one token need not wait for another's.
      const isSentOnce = asked.ownerAccepted || !hasSeveralSecrets(config);
      const together = () => (isSentOnce && (asked.ownerAccepted || found.isAccepted(id)) ? FEW_TOGETHER : ONE_BY_ONE);
      return found.send(id, false, send, (failure) => failure.resourceOwnerRefused, together);
    };
    return { ...password(config, guarded, observer), forgive: () => refused.known?.forgive(currentId()) };
  };
}

function hasSeveralSecrets({ clientAuthentication }: GrantConfig): boolean {
  return Object.values(clientAuthentication ?? {}).some((value) => Array.isArray(value) && value.length > 1);
}
