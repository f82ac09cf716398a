/** The client certificate that a token is obtained with, and shown with where it is bound to it (RFC 8705 §3). */

import type { ClientCertificate } from '../authorization-server/client-certificate.ts';
import type { Config } from '../config/schema/root.ts';
import type { RouteConfig } from '../config/schema/routes.ts';
import type { GrantConfig } from '../config/schema/tokens.ts';

/** What the authorization server is shown, whether as a proof or for the binding alone. */
export function clientCertificate({
  certificateBound,
  clientAuthentication,
}: Pick<GrantConfig, 'certificateBound' | 'clientAuthentication'>): ClientCertificate | undefined {
  if (typeof certificateBound === 'object') return certificateBound;
  switch (clientAuthentication?.method) {
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      return clientAuthentication;
    default:
      return undefined;
  }
}

/** The route as its connections are to be made: a bound token's certificate is what the upstream is shown. */
export function withBoundCertificate(route: RouteConfig, tokens: Config['tokens']): RouteConfig {
  const token = route.token === null ? undefined : tokens[route.token];
  const bound = token?.certificateBound ? clientCertificate(token) : undefined;
  if (bound === undefined) return route;
  return { ...route, upstreamTls: { ...route.upstreamTls, cert: bound.certificate, key: bound.key } };
}
