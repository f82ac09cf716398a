/** What is remembered of refused credentials at one server: by its token endpoint, since behind one are the same accounts. */

import type { AuthorizationServer } from '../authorization-server/authorization-server.ts';
import type { Clock } from '../clock.ts';
import { RefusedCredentials } from './refused-credentials.ts';

/** Of all tokens of one token endpoint together, by whatever name of the config. */
export interface RefusedAtServer {
  /** `undefined` before discovery: nothing has been sent for these tokens yet. */
  readonly known: RefusedCredentials | undefined;
  /** Rejects with `AuthorizationServerError`. */
  find(): Promise<RefusedCredentials>;
}

export type FindRefused = (server: AuthorizationServer) => RefusedAtServer;

export function refusedAtServers(clock: Clock): FindRefused {
  const refused = new Map<string, RefusedCredentials>();
  const at = (endpoint: string) => {
    const found = refused.get(endpoint) ?? new RefusedCredentials(clock);
    refused.set(endpoint, found);
    return found;
  };
  return (server) => ({
    get known() {
      return server.knownEndpoint === undefined ? undefined : at(server.knownEndpoint);
    },
    find: async () => at(await server.endpoint()),
  });
}
