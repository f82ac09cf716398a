/** Rules about tokens that are bound to a key: what would make them worthless. */

import type { ConfigPath } from '../path.ts';
import { type Finding, problem, warning } from '../problem.ts';
import type { RouteConfig } from '../schema/routes.ts';
import type { TokenConfig } from '../schema/tokens.ts';

export function boundTokenFindings(token: TokenConfig, path: ConfigPath): Finding[] {
  const isPublic = token.clientAuthentication?.method === 'none';
  if (token.dpop === undefined || token.grant !== 'refresh_token' || token.persist === undefined || !isPublic) return [];
  return [
    warning(
      [...path, 'persist'],
      'keeps refresh tokens of a public client, which are bound to the key of this process like the access token (RFC 9449 §5): the next start cannot use them; remove it, or "dpop"',
    ),
  ];
}

/** @param token the route's */
export function boundRouteFindings({ inject }: RouteConfig, path: ConfigPath, token: TokenConfig | undefined): Finding[] {
  if (token?.dpop === undefined || inject.scheme === undefined || inject.scheme.toLowerCase() === 'dpop') return [];
  return [problem([...path, 'inject', 'scheme'], 'is not "DPoP", as a token with "dpop" must be sent (RFC 9449 §7.1); remove it')];
}
