/** The resource owner password credentials grant (RFC 6749 §4.3): a token for somebody's account. */

import type { AuthorizationServer } from '../../authorization-server/authorization-server.ts';
import type { Clock } from '../../clock.ts';
import type { TokenConfig } from '../../config/schema/tokens.ts';
import type { TokenSource } from '../source.ts';
import { grantSource } from './grant.ts';

/** User name and password are read for each grant, so changed ones serve the next. */
export function password(config: TokenConfig & { grant: 'password' }, server: AuthorizationServer, clock: Clock): TokenSource {
  const { resourceOwner } = config;
  return grantSource(config, server, clock, () => ({
    username: resourceOwner.username.reveal(),
    password: resourceOwner.password.reveal(),
  }));
}
