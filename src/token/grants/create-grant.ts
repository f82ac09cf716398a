/** The grant that a token's config asks for. */

import type { AuthorizationServer } from '../../authorization-server/authorization-server.ts';
import type { Clock } from '../../clock.ts';
import type { GrantConfig } from '../../config/schema/tokens.ts';
import type { GrantObserver } from '../observer.ts';
import type { Grant } from '../source.ts';
import { clientCredentials } from './client-credentials.ts';
import type { RequestGrant } from './grant.ts';
import { jwtBearer } from './jwt-bearer.ts';
import { password } from './password.ts';
import { refreshToken } from './refresh-token.ts';
import type { RefreshTokenRows } from './refresh-token-rows.ts';
import { saml2Bearer } from './saml2-bearer.ts';
import { tokenExchange } from './token-exchange.ts';

/** What several grants share; each default is one of its own. */
interface SharedByGrants {
  readonly request?: RequestGrant;
  readonly rows?: RefreshTokenRows;
}

export function createGrant(
  token: GrantConfig,
  server: AuthorizationServer,
  clock: Clock,
  observer: GrantObserver,
  { request, rows }: SharedByGrants = {},
): Grant {
  switch (token.grant) {
    case 'client_credentials':
      return clientCredentials(token, server, clock, observer);
    case 'password':
      return password(token, server, clock, observer, request);
    case 'refresh_token':
      return refreshToken(token, server, clock, observer, rows);
    case 'token_exchange':
      return tokenExchange(token, server, clock, observer, request);
    case 'jwt_bearer':
      return jwtBearer(token, server, clock, observer, request);
    case 'saml2_bearer':
      return saml2Bearer(token, server, clock, observer, request);
  }
}
