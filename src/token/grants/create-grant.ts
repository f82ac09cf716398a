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

export interface GrantParts {
  readonly request: RequestGrant;
  readonly server: AuthorizationServer;
  readonly clock: Clock;
  readonly observer: GrantObserver;
  readonly rows?: RefreshTokenRows;
}

export function createGrant(token: GrantConfig, { request, server, clock, observer, rows }: GrantParts): Grant {
  switch (token.grant) {
    case 'client_credentials':
      return clientCredentials(request);
    case 'password':
      return password(token, request, observer);
    case 'refresh_token':
      return refreshToken(token, server, request, observer, rows);
    case 'token_exchange':
      return tokenExchange(token, request, clock);
    case 'jwt_bearer':
      return jwtBearer(token, request, clock);
    case 'saml2_bearer':
      return saml2Bearer(token, request);
  }
}
