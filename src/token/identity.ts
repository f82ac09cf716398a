/** What makes two tokens the same: every input that can change what a token is worth, and no secret material. */

import { hash, X509Certificate } from 'node:crypto';
import type { AuthorizationServerConfig } from '../config/schema/authorization-servers.ts';
import type { SignedSubject } from '../config/schema/grants.ts';
import type { GrantConfig } from '../config/schema/tokens.ts';
import { Secret } from '../config/secret.ts';
import { clientCertificate } from './bound-certificate.ts';

/**
 * A digest (64 hex digits) that differs whenever any of these inputs differs. The inputs are written as one JSON array, whose
 * quoting keeps neighbours apart: no two lists of inputs have the same text (compare GHSA-v574-6498-x57v).
 * Scope is a set by RFC 6749 §3.3, so its order does not count; audience and resource keep theirs.
 */
export function tokenIdentity(token: GrantConfig, server: AuthorizationServerConfig): string {
  const inputs = [
    'token-identity-1',
    server.issuer ?? null,
    server.metadataUrl ?? null,
    server.tokenEndpoint ?? null,
    [...server.tokenTypes].sort(),
    token.grant,
    token.clientId ?? null,
    token.clientAuthentication?.method ?? null,
    certificateOf(token),
    // What it takes to send it: one that is bound is worth nothing to whoever does not know that.
    [token.dpop?.alg ?? null, Boolean(token.certificateBound)],
    registrationOf(token),
    token.scope === undefined ? null : [...new Set(token.scope.split(' '))].sort(),
    token.onMissingScope,
    token.audience ?? null,
    token.resource ?? null,
    sortedEntries(token.parameters ?? {}),
    sortedEntries(
      Object.fromEntries(Object.entries(token.headers ?? {}).map(([name, value]) => [name.toLowerCase(), hash('sha256', value.reveal())])),
    ),
    inputsOfGrant(token),
    token.upstreamFrom === undefined ? null : [token.upstreamFrom.field, token.upstreamFrom.allow],
  ];
  return hash('sha256', JSON.stringify(inputs));
}

/** A server may bind tokens to the client certificate (RFC 8705 §3): they are worth nothing to whoever has another. */
function certificateOf(token: GrantConfig): string | null {
  const shown = clientCertificate(token);
  return shown === undefined ? null : new X509Certificate(shown.certificate.reveal()).fingerprint256;
}

/** Each broker that enrols itself is another client; what they were registered as is what their tokens are worth. */
function registrationOf({ registration }: GrantConfig): unknown {
  if (registration === undefined) return null;
  return [registration.clientAuthentication.method, sortedEntries(registration.metadata)];
}

/** Whom the token is for, as far as the grant says it. */
function inputsOfGrant(token: GrantConfig): unknown {
  switch (token.grant) {
    case 'client_credentials':
      return null;
    case 'password':
      return token.resourceOwner.username.reveal();
    case 'refresh_token':
      return token.refreshToken.provenance;
    case 'token_exchange': {
      const { subject, subjectTokenType, requestedTokenType, actor } = token;
      const actorInputs = actor === undefined ? null : [actor.token.provenance, actor.tokenType];
      return [subject.provenance, subjectTokenType, requestedTokenType ?? null, actorInputs];
    }
    case 'jwt_bearer':
      return token.subject instanceof Secret ? token.subject.provenance : signedInputs(token.subject.sign);
    case 'saml2_bearer':
      return token.subject.provenance;
  }
}

/** What an assertion of ours says; with which key it says so is the client's own affair, like its secret. */
function signedInputs({ issuer, subject, audience, claims }: SignedSubject): unknown {
  return [issuer, subject ?? null, audience, sortedEntries(claims ?? {})];
}

function sortedEntries<Value>(map: Readonly<Record<string, Value>>): [string, Value][] {
  return Object.entries(map).sort(([a], [b]) => (a < b ? -1 : 1));
}
