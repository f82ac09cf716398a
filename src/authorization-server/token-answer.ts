/** Reads the answer of a token endpoint (RFC 6749 §5): an acceptable token, or the failure that `ANSWER_KINDS` calls it. */

import { type AnswerFacts, type AnswerRules, answerFacts } from './answer-facts.ts';
import { ANSWER_KINDS, type AnswerKind } from './answer-kinds.ts';
import type { Answer } from './call.ts';
import { AuthorizationServerError } from './failure.ts';
import type { GrantedScope } from './granted-scope.ts';
import { readJson } from './jwt.ts';
import { retryAfterMs } from './retry-after.ts';
import { whatWasSaid } from './said.ts';

/** A token answer that has passed every check. */
export interface TokenAnswer extends GrantedScope {
  readonly accessToken: string;
  /** Milliseconds, counted from when the request was sent; `undefined` when neither the answer nor the token says. */
  readonly lifetimeMs: number | undefined;
  /** Where the token is to be used, if the answer says so and is asked. */
  readonly upstreamOrigin: string | undefined;
}

/** Throws `AuthorizationServerError` for anything but an acceptable token. */
export function readTokenAnswer(answer: Answer, rules: AnswerRules): TokenAnswer {
  const facts = answerFacts(answer, rules);
  const kind = ANSWER_KINDS.find(({ fits }) => fits(facts));
  if (kind !== undefined) throw failureOf(kind, facts, answer);
  const { accessToken, statedLifetimeMs, jwtLifetimeMs, granted, upstreamOrigin } = facts;
  const lifetimeMs = Math.min(statedLifetimeMs ?? Number.POSITIVE_INFINITY, jwtLifetimeMs ?? Number.POSITIVE_INFINITY);
  return {
    ...granted,
    accessToken,
    lifetimeMs: Number.isFinite(lifetimeMs) ? lifetimeMs : undefined,
    upstreamOrigin,
  };
}

/** Twice what `maxSize` is by default: no server takes back a longer one in a form. */
const MAX_REFRESH_TOKEN = 16 * 1024;

/**
 * The refresh token that an answer has issued, even where the access token beside it cannot be used: the one before may be good no
 * more. Of the alphabet of RFC 6749 appendix A.17; anything else counts as none, and beside an `error` none was issued.
 */
export function readRefreshToken(answer: Answer): string | undefined {
  const { refresh_token: value, error } = (answer.status === 200 && readJson(answer.body)) || {};
  const isOne = error === undefined && typeof value === 'string' && value.length <= MAX_REFRESH_TOKEN && /^[\x20-\x7e]+$/.test(value);
  return isOne ? value : undefined;
}

/** What an answer that is not the wanted one means: the same at every endpoint (RFC 6749 §5.2, RFC 7009 §2.2.1). */
export function refusalOf(answer: Answer, rules: Pick<AnswerRules, 'grant' | 'now' | 'secrets'>): AuthorizationServerError {
  const facts = answerFacts(answer, { ...rules, maxSize: 0, tokenTypes: [] });
  return failureOf(ANSWER_KINDS.find(({ fits }) => fits(facts)) as AnswerKind, facts, answer);
}

function failureOf(kind: AnswerKind, facts: AnswerFacts, answer: Answer): AuthorizationServerError {
  const { rules, status, json } = facts;
  const reason = typeof kind.reason === 'string' ? kind.reason : kind.reason(facts);
  return new AuthorizationServerError(kind.failureClass, reason, {
    said: kind.said?.(facts) ?? whatWasSaid(json, rules.secrets),
    retryAfterMs: retryAfterMs(answer.field('retry-after'), rules.now),
    resourceOwnerRefused: rules.grant === 'password' && reason === 'invalid_grant',
    resourceOwnerInDoubt: rules.grant === 'password' && mayBeAboutPassword(facts),
    // Keycloak calls a wrong secret unauthorized_client; the status tells it from a client that may not use the grant.
    clientRefused: reason === 'invalid_client' || (status === 401 && reason === 'unauthorized_client'),
    nonceWanted: rules.dpop === true && reason === 'use_dpop_nonce' && answer.field('dpop-nonce') !== undefined,
  });
}

/** Errors that are about the request or the client, whoever the resource owner is (RFC 6749 §5.2, RFC 8707 §2, RFC 9449 §5). */
const NOT_ABOUT_PASSWORD = new Set([
  'invalid_request',
  'invalid_client',
  'unauthorized_client',
  'unsupported_grant_type',
  'invalid_scope',
  'invalid_target',
  'invalid_dpop_proof',
  'use_dpop_nonce',
]);

/** Old servers refuse a password with a status alone, or with a code of their own. */
function mayBeAboutPassword({ status, error = '', json }: AnswerFacts): boolean {
  const isRefusal = [400, 401, 403, 423].includes(status) || (status === 200 && json['error'] !== undefined);
  return isRefusal && !NOT_ABOUT_PASSWORD.has(error);
}
