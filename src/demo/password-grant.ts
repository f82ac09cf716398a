/** The resource owner password grant (RFC 6749 §4.3), which oidc-provider leaves to its user. */

import { createHash, timingSafeEqual } from 'node:crypto';
import type { Client, Context, errors, Provider } from 'oidc-provider';

/** A resource owner. */
export interface DemoUser {
  readonly username: string;
  readonly password: string;
}

/** Teaches the provider the grant; `resourceServer` describes what a resource indicator names. */
export function registerPasswordGrant(
  provider: Provider,
  refusals: typeof errors,
  users: readonly DemoUser[],
  resourceServer: (resource: string) => object,
): void {
  const handle = async (context: Context) => {
    const { client, params = {} } = context.oidc ?? {};
    if (client === undefined) throw new refusals.InvalidGrant('no client');
    const user = users.find((known) => sameText(known.username, params.username) && sameText(known.password, params.password));
    if (user === undefined) throw new refusals.InvalidGrant('the user name or the password is wrong');
    const scope = allowedScope(client, params.scope, refusals);
    const resource = params.resource;
    if (Array.isArray(resource)) throw new refusals.InvalidTarget('only one resource indicator at a time');
    const token = new provider.AccessToken({
      accountId: user.username,
      client,
      gty: 'password',
      ...(scope === undefined ? {} : { scope }),
      ...(resource === undefined ? {} : { resourceServer: new provider.ResourceServer(resource, resourceServer(resource)) }),
    });
    const accessToken = await token.save();
    context.body = { access_token: accessToken, token_type: token.tokenType, expires_in: token.expiration, scope };
  };
  provider.registerGrantType('password', handle, ['username', 'password', 'scope', 'resource'], 'resource');
}

/** Digests first, so that neither length nor content shows in the time taken. */
function sameText(known: string, given: string | string[] | undefined): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  return typeof given === 'string' && timingSafeEqual(digest(known), digest(given));
}

function allowedScope(client: Client, requested: string | string[] | undefined, refusals: typeof errors): string | undefined {
  if (typeof requested !== 'string') return undefined;
  const allowed = new Set(client.scope?.split(' '));
  if (requested.split(' ').every((name) => allowed.has(name))) return requested;
  throw new refusals.InvalidScope('the scope is not one of this client');
}
