/** Token exchange (RFC 8693): a token for another audience in place of one that somebody else keeps in a file. */

import { AuthorizationServerError } from '../../authorization-server/failure.ts';
import type { Clock } from '../../clock.ts';
import type { GrantConfig } from '../../config/schema/tokens.ts';
import type { Grant } from '../source.ts';
import { subjectEndsAt } from '../subject-end.ts';
import type { RequestGrant } from './grant.ts';

/** Subject and actor are read anew for each grant. What a subject was exchanged for ends no later than the subject, where that says when. */
export function tokenExchange(config: GrantConfig & { grant: 'token_exchange' }, request: RequestGrant, clock: Clock): Grant {
  const { subject, subjectTokenType, requestedTokenType, actor } = config;
  const get = async () => {
    const [subjectToken, actorToken] = await Promise.all([subject.fresh(), actor?.token.fresh()]);
    const endsAt = subjectEndsAt(subjectToken);
    if (endsAt <= clock.now()) throw new AuthorizationServerError('permanent', 'subject_expired');
    return request({
      grantType: 'urn:ietf:params:oauth:grant-type:token-exchange',
      own: () => ({
        subject_token: subjectToken,
        subject_token_type: subjectTokenType,
        ...(requestedTokenType === undefined ? {} : { requested_token_type: requestedTokenType }),
        ...(actor === undefined || actorToken === undefined ? {} : { actor_token: actorToken, actor_token_type: actor.tokenType }),
      }),
      requestedTokenType,
      endsAt,
    });
  };
  return { get };
}
