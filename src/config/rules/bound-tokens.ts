/** Rules about tokens that are bound to a key: what would make them worthless. */

import type { ConfigPath } from '../path.ts';
import { type Finding, problem, warning } from '../problem.ts';
import type { Config } from '../schema/root.ts';
import type { RouteConfig } from '../schema/routes.ts';
import type { TokenConfig } from '../schema/tokens.ts';
import { isHttp } from './client-authentication.ts';

const TLS_METHODS: readonly (string | undefined)[] = ['tls_client_auth', 'self_signed_tls_client_auth'];

export function boundTokenFindings(token: TokenConfig, path: ConfigPath, config: Config): Finding[] {
  return [...keptForNobody(token, path), ...certificateFindings(token, [...path, 'certificateBound'], config)];
}

function keptForNobody(token: TokenConfig, path: ConfigPath): Finding[] {
  const isPublic = token.clientAuthentication?.method === 'none';
  if (token.dpop === undefined || token.grant !== 'refresh_token' || token.persist === undefined || !isPublic) return [];
  return [
    warning(
      [...path, 'persist'],
      'keeps refresh tokens of a public client, which are bound to the key of this process like the access token (RFC 9449 §5): the next start cannot use them; remove it, or "dpop"',
    ),
  ];
}

function certificateFindings(token: TokenConfig, path: ConfigPath, { authorizationServers }: Config): Finding[] {
  const { certificateBound: bound, clientAuthentication } = token;
  const provesByTls = TLS_METHODS.includes(clientAuthentication?.method);
  if (bound === true && !provesByTls)
    return [problem(path, 'needs a client authentication method with a certificate; or give "certificate" and "key" here')];
  if (typeof bound !== 'object') return [];
  if (provesByTls)
    return [problem(path, 'is another certificate beside that of "clientAuthentication", and a connection shows one; use true')];
  if (!isHttp(authorizationServers[token.authorizationServer])) return [];
  return [problem(path, 'needs TLS, and the authorization server is http; use https there, or remove it')];
}

/** @param token the route's */
export function boundRouteFindings(route: RouteConfig, path: ConfigPath, token: TokenConfig | undefined): Finding[] {
  const findings: Finding[] = [];
  const { scheme } = route.inject;
  if (token?.dpop !== undefined && scheme !== undefined && scheme.toLowerCase() !== 'dpop')
    findings.push(problem([...path, 'inject', 'scheme'], 'is not "DPoP", as a token with "dpop" must be sent (RFC 9449 §7.1); remove it'));
  if (!token?.certificateBound) return findings;
  if (route.upstream.startsWith('http:'))
    findings.push(problem([...path, 'upstream'], 'is http, where the certificate that the token is bound to cannot be shown; use https'));
  if (route.upstreamTls.cert !== undefined)
    findings.push(
      problem([...path, 'upstreamTls', 'cert'], 'is not what the token is bound to, which is shown instead; remove "cert" and "key"'),
    );
  return findings;
}
