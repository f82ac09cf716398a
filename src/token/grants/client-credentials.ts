/** The client credentials grant (RFC 6749 §4.4): a token for the client itself. */

import type { AuthorizationServer } from '../../authorization-server/authorization-server.ts';
import type { Clock } from '../../clock.ts';
import type { TokenConfig } from '../../config/schema/tokens.ts';
import type { GrantObserver } from '../observer.ts';
import type { Grant } from '../source.ts';
import { grantRequests } from './grant.ts';

/** A refresh token in the answer is ignored: §4.4.3 says there should be none. */
export function clientCredentials(
  config: TokenConfig & { grant: 'client_credentials' },
  server: AuthorizationServer,
  clock: Clock,
  observer: GrantObserver,
): Grant {
  const request = grantRequests(config, server, clock, observer);
  return { get: () => request({ grantType: 'client_credentials' }) };
}
