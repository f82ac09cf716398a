/** Puts together the tokens that are made from callers' own credentials. */

import type { AuthorizationServer } from '../../authorization-server/authorization-server.ts';
import type { Clock } from '../../clock.ts';
import type { AuthorizationServerConfig } from '../../config/schema/authorization-servers.ts';
import type { TokenConfig } from '../../config/schema/tokens.ts';
import { createDiscard } from '../discard.ts';
import { createGrant } from '../grants/create-grant.ts';
import { type RequestGrant, tokenClient } from '../grants/grant.ts';
import { tokenIdentity } from '../identity.ts';
import { createKeyedDigest } from '../keyed-digest.ts';
import type { GrantObserver, TokenObserver } from '../observer.ts';
import type { FindRefused } from '../refused-at-server.ts';
import { CallerTokens } from './caller-tokens.ts';
import { fillIn, type OwnCredentials } from './own-credentials.ts';

/** One entry of the config, and where its tokens come from. */
interface Entry {
  readonly name: string;
  readonly config: TokenConfig;
  readonly server: AuthorizationServer;
  readonly serverConfig: AuthorizationServerConfig;
  readonly grantObserver: GrantObserver;
}

export type CreateCallerTokens = (entry: Entry) => CallerTokens;

export function callerTokensOf(refusedAt: FindRefused, observer: TokenObserver, clock: Clock): CreateCallerTokens {
  const digest = createKeyedDigest();
  return (entry) => {
    const { name, config, server } = entry;
    const refused = refusedAt(server);
    return new CallerTokens({ name, config, digest, refused, createGrant: grantsFor(entry, observer, clock), observer, clock });
  };
}

function grantsFor({ name, config, server, serverConfig, grantObserver }: Entry, observer: TokenObserver, clock: Clock) {
  // One for all of them: which of our own secrets is good does not depend on the caller.
  const client = tokenClient(config, server, clock, grantObserver);
  return (credentials: OwnCredentials, endsAt: number, mayRepeat: () => boolean) => {
    const filled = fillIn(config, credentials);
    const ending: RequestGrant = (asked) => client.request({ ...asked, endsAt, mayRepeat });
    const grant = createGrant(filled, { request: ending, server, clock, observer: grantObserver });
    return {
      get identity() {
        return tokenIdentity(filled, serverConfig);
      },
      grant,
      discard: createDiscard({ name, config, client, grant, store: undefined, observer }),
    };
  };
}
