/** The resource owner password grant (RFC 6749 §4.3), which oidc-provider leaves to its user. */

import { hash, timingSafeEqual } from 'node:crypto';
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
    const shared = { accountId: user.username, client, gty: 'password', ...(scope === undefined ? {} : { scope }) };
    const token = new provider.AccessToken({
      ...shared,
      ...(resource === undefined ? {} : { resourceServer: new provider.ResourceServer(resource, resourceServer(resource)) }),
    });
    const accessToken = await token.save();
    context.body = {
      access_token: accessToken,
      token_type: token.tokenType,
      expires_in: token.expiration,
      scope,
      refresh_token: client.grantTypeAllowed('refresh_token') ? await issueRefreshToken(provider, { ...shared, resource }) : undefined,
    };
  };
  provider.registerGrantType('password', handle, ['username', 'password', 'scope', 'resource'], 'resource');
}

interface Granting {
  readonly accountId: string;
  readonly client: Client;
  readonly gty: string;
  readonly scope?: string;
  readonly resource?: string | undefined;
}

/** A refresh token of a grant of its own. */
export async function issueRefreshToken(provider: Provider, { resource, ...shared }: Granting): Promise<string> {
  const grant = new provider.Grant({ accountId: shared.accountId, clientId: shared.client.clientId });
  if (resource === undefined) grant.addOIDCScope(shared.scope ?? '');
  else grant.addResourceScope(resource, shared.scope ?? '');
  const grantId = await grant.save();
  return new provider.RefreshToken({ ...shared, grantId, ...(resource === undefined ? {} : { resource }) }).save();
}

/** Digests first, so that neither length nor content shows in the time taken. */
function sameText(known: string, given: string | string[] | undefined): boolean {
  const digest = (text: string) => hash('sha256', text, 'buffer');
  return typeof given === 'string' && timingSafeEqual(digest(known), digest(given));
}

function allowedScope(client: Client, requested: string | string[] | undefined, refusals: typeof errors): string | undefined {
  if (typeof requested !== 'string') return undefined;
  const allowed = new Set(client.scope?.split(' '));
  if (requested.split(' ').every((name) => allowed.has(name))) return requested;
  throw new refusals.InvalidScope('the scope is not one of this client');
}
