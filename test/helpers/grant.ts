/** The grant of one token of a config, alone: no cache around it, and no other token beside it. */

import type { AuthorizationServer } from '../../src/authorization-server/authorization-server.ts';
import type { Clock } from '../../src/clock.ts';
import type { GrantConfig, TokenConfig } from '../../src/config/schema/tokens.ts';
import { createGrant } from '../../src/token/grants/create-grant.ts';
import { tokenClient } from '../../src/token/grants/grant.ts';
import type { Grant } from '../../src/token/source.ts';
import { recordingObserver } from './grant-observer.ts';

/** What it tells is added to `events`. */
export function grantOf(config: TokenConfig, server: AuthorizationServer, clock: Clock, events?: string[]): Grant {
  const observer = recordingObserver(events);
  const { request } = tokenClient(config, server, clock, observer);
  return createGrant(config as GrantConfig, { request, server, clock, observer });
}
