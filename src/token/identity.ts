/** What makes two tokens the same: every input that can change what a token is worth, and no secret material. */

import { createHash, X509Certificate } from 'node:crypto';
import type { AuthorizationServerConfig } from '../config/schema/authorization-servers.ts';
import type { TokenConfig } from '../config/schema/tokens.ts';

/**
 * A digest (64 hex digits) that differs whenever any of these inputs differs. The inputs are written as one JSON array, whose
 * quoting keeps neighbours apart: no two lists of inputs have the same text (compare GHSA-v574-6498-x57v).
 * Scope is a set by RFC 6749 §3.3, so its order does not count; audience and resource keep theirs.
 */
export function tokenIdentity(token: TokenConfig, server: AuthorizationServerConfig): string {
  const inputs = [
    'token-identity-1',
    server.issuer ?? null,
    server.metadataUrl ?? null,
    server.tokenEndpoint ?? null,
    [...server.tokenTypes].sort(),
    token.grant,
    token.clientId,
    token.clientAuthentication.method,
    certificateOf(token),
    token.scope === undefined ? null : [...new Set(token.scope.split(' '))].sort(),
    token.audience ?? null,
    token.resource ?? null,
    sortedEntries(token.parameters ?? {}),
    sortedEntries(
      Object.fromEntries(Object.entries(token.headers ?? {}).map(([name, value]) => [name.toLowerCase(), digest(value.reveal())])),
    ),
    token.grant === 'password' ? token.resourceOwner.username.reveal() : null,
  ];
  return digest(JSON.stringify(inputs));
}

/** A server may bind tokens to the client certificate (RFC 8705 §3): they are worth nothing to whoever has another. */
function certificateOf({ clientAuthentication: authentication }: TokenConfig): string | null {
  const isTls = authentication.method === 'tls_client_auth' || authentication.method === 'self_signed_tls_client_auth';
  return isTls ? new X509Certificate(authentication.certificate.reveal()).fingerprint256 : null;
}

function sortedEntries(map: Readonly<Record<string, string>>): [string, string][] {
  return Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
