/** Gives a token back to the server that issued it (RFC 7009). */

import type { AuthorizationServerCalls } from './call.ts';
import type { ClientProof } from './client-proof.ts';
import { AuthorizationServerError } from './failure.ts';
import type { Metadata } from './metadata.ts';
import { secretsOfRequest } from './said.ts';
import { refusalOf } from './token-answer.ts';

export interface RevocationRequest {
  readonly token: string;
  readonly hint: 'access_token' | 'refresh_token';
  readonly clientId: string;
  readonly proof: ClientProof;
  readonly headers: Readonly<Record<string, string>>;
}

export interface RevocationContext {
  readonly metadata: Metadata;
  /** As the config knows it. */
  readonly issuer: string | undefined;
  readonly calls: AuthorizationServerCalls;
  /** Wall clock, milliseconds. */
  readonly now: number;
}

/** It happens while the broker is on its way out, and 3 s are all it has. */
const TIMEOUT_MS = 2_500;

/** Resolves for a token that the server does not know, too (§2.2). Rejects with `AuthorizationServerError`. */
export async function revoke(request: RevocationRequest, { metadata, issuer, calls, now }: RevocationContext): Promise<void> {
  const { token, hint, clientId, proof } = request;
  const alias = proof.certificate === undefined ? undefined : metadata.mtls_endpoint_aliases.revocation_endpoint;
  const url = alias ?? metadata.revocation_endpoint;
  if (url === undefined) throw new AuthorizationServerError('permanent', 'revocation_endpoint_missing');
  const form = new URLSearchParams({ token, token_type_hint: hint });
  const proven = new Headers({ accept: 'application/json', 'content-type': 'application/x-www-form-urlencoded;charset=UTF-8' });
  await proof.write({ clientId, form, headers: proven, issuer, tokenEndpoint: metadata.token_endpoint });
  const headers = { ...Object.fromEntries(proven), ...request.headers };
  const { certificate } = proof;
  const answer = await calls.call({ url, method: 'POST', headers, body: form.toString(), certificate, timeoutMs: TIMEOUT_MS });
  if (answer.status !== 200) throw refusalOf(answer, { grant: 'revocation', now, secrets: secretsOfRequest(form, headers) });
}
