/** Reads the answer of a token endpoint (RFC 6749 §5): the one table that puts every answer into a class. */

import type { Answer } from './call.ts';
import { AuthorizationServerError, type FailureDetails } from './failure.ts';
import { type GrantedScope, readGrantedScope } from './granted-scope.ts';
import { jwtExpiresAt, readJson } from './jwt.ts';
import { retryAfterMs } from './retry-after.ts';
import { textsOf, whatWasSaid } from './said.ts';

/** A token answer that has passed every check. */
export interface TokenAnswer extends GrantedScope {
  readonly accessToken: string;
  /** Milliseconds, counted from when the request was sent; `undefined` when neither the answer nor the token says. */
  readonly lifetimeMs: number | undefined;
  readonly refreshToken: string | undefined;
}

export interface AnswerRules {
  /** Bytes. */
  readonly maxSize: number;
  /** Accepted `token_type` values, lower-case; `""` accepts a missing one. */
  readonly tokenTypes: readonly string[];
  /** The request had a proof of possession: no other type than DPoP is accepted (RFC 9449 §5). */
  readonly dpop?: boolean;
  /** Wall clock, milliseconds. */
  readonly now: number;
  readonly grant: string;
  /** Names separated by spaces. */
  readonly scope?: string | undefined;
  /** What an answer without all of that scope is: a good one by default. */
  readonly onMissingScope?: 'warn' | 'refuse';
  /** What a token exchange asked for by its type. */
  readonly requestedTokenType?: string | undefined;
  /** What was sent and must not come back in the log. */
  readonly secrets: readonly string[];
}

const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';

/** Errors of RFC 6749 §4.1.2.1 that servers also use at the token endpoint when they are in trouble. */
const TRANSIENT_ERRORS = new Set(['temporarily_unavailable', 'server_error', 'slow_down']);

/** Throws `AuthorizationServerError` for anything but an acceptable token. */
export function readTokenAnswer(answer: Answer, rules: AnswerRules): TokenAnswer {
  const json = readJson(answer.body);
  if (answer.status !== 200) throw refusal(answer, json, rules);
  if (json === undefined) throw new AuthorizationServerError('transient', 'answer_unreadable');
  if (json['error'] !== undefined)
    throw new AuthorizationServerError('nonsense', 'error_in_success', { said: whatWasSaid(json, rules.secrets) });
  const accessToken = readAccessToken(json['access_token'], rules);
  checkType(json, rules);
  const { scope, ...others } = json;
  const granted = readGrantedScope(scope, rules.scope, [...rules.secrets, ...textsOf(others)]);
  if (rules.onMissingScope === 'refuse' && granted.missingScope.length > 0) throw new AuthorizationServerError('nonsense', 'scope_missing');
  return {
    ...granted,
    accessToken,
    lifetimeMs: readLifetime(json['expires_in'], accessToken, answer, rules),
    refreshToken: readRefreshToken(json['refresh_token']),
  };
}

function refusal(answer: Answer, json: Record<string, unknown> | undefined, rules: AnswerRules): AuthorizationServerError {
  const { status } = answer;
  const details: FailureDetails = {
    said: whatWasSaid(json, rules.secrets),
    retryAfterMs: retryAfterMs(answer.field('retry-after'), rules.now),
  };
  if (status >= 500 || status === 429) return new AuthorizationServerError('transient', `http_${status}`, details);
  // Another 2xx carries no token by RFC 6749 §5.1; like an unreadable 200 it may be a proxy's hiccup.
  if (status < 300) return new AuthorizationServerError('transient', `http_${status}`, details);
  const error = json?.['error'];
  if (status < 400 || (typeof error !== 'string' && status !== 401))
    return new AuthorizationServerError('nonsense', `http_${status}`, details);
  const code = typeof error === 'string' ? error : 'invalid_client';
  if (TRANSIENT_ERRORS.has(code)) return new AuthorizationServerError('transient', code, details);
  const resourceOwnerRefused = rules.grant === 'password' && code === 'invalid_grant';
  // Keycloak calls a wrong secret unauthorized_client; the status tells it from a client that may not use the grant.
  const clientRefused = code === 'invalid_client' || (status === 401 && code === 'unauthorized_client');
  return new AuthorizationServerError('permanent', /^[a-z_]{1,64}$/.test(code) ? code : `http_${status}`, {
    ...details,
    resourceOwnerRefused,
    clientRefused,
    nonceWanted: rules.dpop === true && code === 'use_dpop_nonce' && answer.field('dpop-nonce') !== undefined,
  });
}

/** Visible ASCII: the RFC's alphabet without the space, wider than RFC 6750's b64token because real tokens are. */
function readAccessToken(value: unknown, rules: AnswerRules): string {
  if (typeof value !== 'string' || value === '') throw new AuthorizationServerError('nonsense', 'token_missing');
  if (value.length > rules.maxSize) throw new AuthorizationServerError('nonsense', 'token_too_large');
  if (!/^[\x21-\x7e]+$/.test(value)) throw new AuthorizationServerError('nonsense', 'token_malformed');
  return value;
}

/** RFC 6749 appendix A.17. The access token is good without it, so anything else counts as none. */
function readRefreshToken(value: unknown): string | undefined {
  return typeof value === 'string' && /^[\x20-\x7e]+$/.test(value) ? value : undefined;
}

/** What was asked for by its type must be of that type; only then, and if it is no access token, its `token_type` may be `N_A` (RFC 8693 §2.2.1). */
function checkType(json: Readonly<Record<string, unknown>>, { tokenTypes, dpop = false, requestedTokenType }: AnswerRules): void {
  const type = json['token_type'] ?? '';
  const isOther = requestedTokenType !== undefined && requestedTokenType !== ACCESS_TOKEN_TYPE;
  const accepted = dpop ? ['dpop'] : isOther ? [...tokenTypes, 'n_a'] : tokenTypes;
  if (typeof type !== 'string' || !accepted.includes(type.toLowerCase()))
    throw new AuthorizationServerError('nonsense', 'token_type_unexpected');
  if (requestedTokenType !== undefined && json['issued_token_type'] !== requestedTokenType)
    throw new AuthorizationServerError('nonsense', 'issued_token_type_unexpected');
}

/**
 * The shorter of `expires_in` and what a JWT's own `exp` leaves. The latter is measured on the server's clock (its
 * `Date` field) where it has one, so that a skewed clock here neither shortens nor stretches it.
 */
function readLifetime(value: unknown, accessToken: string, answer: Answer, rules: AnswerRules): number | undefined {
  const stated = readExpiresIn(value);
  const expiresAt = jwtExpiresAt(accessToken);
  if (expiresAt === undefined) return stated;
  const serverNow = Date.parse(answer.field('date') ?? '');
  const left = expiresAt - (Number.isNaN(serverNow) ? rules.now : serverNow);
  if (left <= 0) throw new AuthorizationServerError('nonsense', 'token_expired');
  return stated === undefined ? left : Math.min(stated, left);
}

function readExpiresIn(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const seconds = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  if (typeof seconds !== 'number' || !Number.isFinite(seconds) || seconds < 1)
    throw new AuthorizationServerError('nonsense', 'expires_in_invalid');
  return Math.floor(seconds) * 1000;
}
