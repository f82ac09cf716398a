/** Rules about `tokens.*.clientAuthentication`: what fits together with the key, the client and the server. */

import type { ConfigPath } from '../path.ts';
import { type Finding, problem, warning } from '../problem.ts';
import type { AuthorizationServerConfig } from '../schema/authorization-servers.ts';
import type { Config } from '../schema/root.ts';
import type { TokenConfig } from '../schema/tokens.ts';
import { algorithmFindings } from './signing.ts';

/** @param path of the token */
export function clientAuthenticationFindings(token: TokenConfig, path: ConfigPath, { authorizationServers }: Config): Finding[] {
  const { clientAuthentication: authentication, clientId } = token;
  const at = (...steps: string[]) => [...path, 'clientAuthentication', ...steps];
  switch (authentication?.method) {
    case 'client_secret_basic':
      if (authentication.encoding !== 'raw' || !clientId?.includes(':')) return [];
      return [problem(at('encoding'), 'cannot be "raw" with a ":" in "clientId", which would end it (RFC 7617 §2); use "form"')];
    case 'private_key_jwt':
      return algorithmFindings(authentication, at('alg'), (fitting) => `remove it, or use ${fitting}`);
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      if (!isHttp(authorizationServers[token.authorizationServer])) return [];
      return [problem(at('method'), 'needs TLS, and the authorization server is http; use https there, or another method')];
    case 'none':
      if (token.grant !== 'client_credentials') return [];
      return [warning(at('method'), 'proves nothing: whoever knows "clientId" can get the same token; use a method that proves something')];
    default:
      return [];
  }
}

/** Whether a server is asked in the clear: it sees no client certificate. */
export function isHttp(server: AuthorizationServerConfig | undefined): boolean {
  return (server?.tokenEndpoint ?? server?.issuer)?.startsWith('http:') ?? false;
}
