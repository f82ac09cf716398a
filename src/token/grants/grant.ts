/** What all grants share: the client that we are at the authorization server, and its token request around a grant's own parameters. */

import type { AuthorizationServer, OnRefreshToken, TokenRequest } from '../../authorization-server/authorization-server.ts';
import type { ClientProof } from '../../authorization-server/client-proof.ts';
import { AuthorizationServerError, toAuthorizationServerError } from '../../authorization-server/failure.ts';
import type { RevocationRequest } from '../../authorization-server/revocation.ts';
import type { Clock } from '../../clock.ts';
import type { TokenConfig } from '../../config/schema/tokens.ts';
import { clientProofs } from '../client-auth/client-authentication.ts';
import { type OwnerStanding, SecretRotation } from '../client-auth/secret-rotation.ts';
import { DpopKey } from '../dpop-key.ts';
import type { GrantObserver } from '../observer.ts';
import { acceptedLifetimeMs } from '../renewal.ts';
import { Token } from '../token.ts';

/** What a grant adds to the token request. */
export interface GrantRequest extends OwnerStanding {
  /** Value of `grant_type`. */
  readonly grantType: string;
  /** Form fields of this grant alone; asked for anew whenever the request is sent again. */
  readonly own?: () => Readonly<Record<string, string>>;
  /** Left out, it means the scope granted before (RFC 6749 §6). */
  readonly withoutScope?: boolean;
  /** The answer must be of this type (RFC 8693 §2.2.1). */
  readonly requestedTokenType?: string | undefined;
  /** The token counts as ended from here on, whatever the answer says: milliseconds since the epoch. */
  readonly endsAt?: number | undefined;
  /** Takes a refresh token of the answer before the access token beside it is judged: it is kept even where that cannot be used. */
  readonly onRefreshToken?: OnRefreshToken;
}

/** Makes one token request for each call. Rejects with `AuthorizationServerError`. */
export type RequestGrant = (request: GrantRequest) => Promise<Token>;

/** Gives a token back. Rejects with `AuthorizationServerError`. */
export type Revoke = (token: string, hint: RevocationRequest['hint']) => Promise<void>;

/** Whoever obtains the tokens of one entry of the config and whoever gives them back proves to be the same client, by the same secret. */
export interface TokenClient {
  readonly request: RequestGrant;
  readonly revoke: Revoke;
}

export function tokenClient(config: TokenConfig, server: AuthorizationServer, clock: Clock, observer: GrantObserver): TokenClient {
  const rotation = new SecretRotation(clientProofs(config, clock, observer), observer.secretChanged);
  const dpopKey = config.dpop && new DpopKey(config.dpop.alg, clock);
  const request: RequestGrant = async (asked) => {
    const send = (proof: ClientProof) => server.requestToken({ ...tokenRequest(config, asked, proof), proofKey: dpopKey });
    // The server counts the lifetime from when it answered; counting from the question is never too late.
    const requestedAt = clock.now();
    const answer = await rotation.run((proof) => withNonce(() => send(proof)), asked);
    const leftMs = (asked.endsAt ?? Number.POSITIVE_INFINITY) - requestedAt;
    const lifetimeMs = Math.min(acceptedLifetimeMs(answer.lifetimeMs, config.renew), leftMs);
    const { accessToken: value, scope, missingScope, upstreamOrigin } = answer;
    return new Token({ value, requestedAt, lifetimeMs, scope, missingScope, dpopKey, upstreamOrigin }, clock);
  };
  const revoke: Revoke = (token, hint) => rotation.run((proof) => server.revoke({ ...requestOf(config), token, hint, proof }));
  return { request, revoke };
}

/** A challenge for a nonce is answered by the same request, made anew (RFC 9449 §8): no assertion in it is sent twice. */
async function withNonce<T>(send: () => Promise<T>): Promise<T> {
  try {
    return await send();
  } catch (error) {
    if (!toAuthorizationServerError(error).nonceWanted) throw error;
    return send().catch(throwTransient);
  }
}

/** A second challenge in a row is no refusal: the servers behind one name may not know each other's nonces. */
function throwTransient(cause: unknown): never {
  const { nonceWanted, reason } = toAuthorizationServerError(cause);
  throw nonceWanted ? new AuthorizationServerError('transient', reason, { cause }) : cause;
}

function tokenRequest(config: TokenConfig, request: GrantRequest, proof: ClientProof): TokenRequest {
  return {
    ...requestOf(config),
    grant: request.grantType,
    proof,
    parameters: requestParameters(config, request),
    scope: config.scope,
    onMissingScope: config.onMissingScope,
    maxSize: config.maxSize,
    requestedTokenType: request.requestedTokenType,
    upstreamFrom: config.upstreamFrom,
    onRefreshToken: request.onRefreshToken,
  };
}

/** What each request about this token has. */
function requestOf({ clientId, headers = {} }: TokenConfig): Pick<RevocationRequest, 'clientId' | 'headers'> {
  return {
    // openid-client wants a name; this one is sent by nobody.
    clientId: clientId ?? 'unnamed',
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value.reveal()])),
  };
}

function requestParameters(config: TokenConfig, { own = () => ({}), withoutScope = false }: GrantRequest): URLSearchParams {
  const form = new URLSearchParams(own());
  if (config.scope !== undefined && !withoutScope) form.set('scope', config.scope);
  for (const audience of config.audience ?? []) form.append('audience', audience);
  for (const resource of config.resource ?? []) form.append('resource', resource);
  for (const [name, value] of Object.entries(config.parameters ?? {})) form.set(name, value);
  return form;
}
