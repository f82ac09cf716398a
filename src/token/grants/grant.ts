/** What all grants share: the token request around a grant's own parameters. */

import type { AuthorizationServer } from '../../authorization-server/authorization-server.ts';
import type { Clock } from '../../clock.ts';
import type { TokenConfig } from '../../config/schema/tokens.ts';
import { clientProofs } from '../client-auth/client-authentication.ts';
import { SecretRotation } from '../client-auth/secret-rotation.ts';
import { acceptedLifetimeMs } from '../renewal.ts';
import type { TokenSource } from '../source.ts';
import { Token } from '../token.ts';

/** A source that makes one token request for each `get`; `ownParameters` are read anew each time. */
export function grantSource(
  config: TokenConfig,
  server: AuthorizationServer,
  clock: Clock,
  ownParameters: () => Record<string, string>,
): TokenSource {
  const rotation = new SecretRotation(clientProofs(config.clientAuthentication, clock));
  return {
    peek: () => undefined,
    async get() {
      // The server counts the lifetime from when it answered; counting from the question is never too late.
      const requestedAt = clock.now();
      const answer = await rotation.run((proof) =>
        server.requestToken({
          grant: config.grant,
          clientId: config.clientId,
          proof,
          parameters: requestParameters(config, ownParameters()),
          headers: Object.fromEntries(Object.entries(config.headers ?? {}).map(([name, value]) => [name.toLowerCase(), value.reveal()])),
          maxSize: config.maxSize,
        }),
      );
      const lifetimeMs = acceptedLifetimeMs(answer.lifetimeMs, config.renew);
      return new Token({ value: answer.accessToken, requestedAt, lifetimeMs, scope: answer.scope }, clock);
    },
  };
}

function requestParameters(config: TokenConfig, own: Record<string, string>): URLSearchParams {
  const form = new URLSearchParams(own);
  if (config.scope !== undefined) form.set('scope', config.scope);
  for (const audience of config.audience ?? []) form.append('audience', audience);
  for (const resource of config.resource ?? []) form.append('resource', resource);
  for (const [name, value] of Object.entries(config.parameters ?? {})) form.set(name, value);
  return form;
}
