/** What can be read of the answer of a token endpoint, before it is judged: nothing here refuses anything. */

import type { Answer } from './call.ts';
import { type GrantedScope, readGrantedScope } from './granted-scope.ts';
import { jwtExpiresAt, readJson } from './jwt.ts';
import { textsOf } from './said.ts';
import { allowedOrigin, type UpstreamFrom } from './upstream-origin.ts';

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
  /** Which field names the upstream, and what it may hold. */
  readonly upstreamFrom?: UpstreamFrom | undefined;
  /** What was sent and must not come back in the log. */
  readonly secrets: readonly string[];
}

/** What is looked at. */
export interface AnswerFacts {
  readonly status: number;
  readonly tooLarge: boolean;
  /** The object that the body holds, and an empty one for any other body. */
  readonly json: Readonly<Record<string, unknown>>;
  readonly isJson: boolean;
  /** The OAuth error code, where it is a text. */
  readonly error: string | undefined;
  /** Empty when there is none. */
  readonly accessToken: string;
  /** Milliseconds; `NaN` when `expires_in` is no lifetime. */
  readonly statedLifetimeMs: number | undefined;
  /** What a JWT's own `exp` leaves, in milliseconds. */
  readonly jwtLifetimeMs: number | undefined;
  readonly granted: GrantedScope;
  /** Of the field that names the upstream; empty for one that is not allowed. */
  readonly upstreamOrigin: string | undefined;
  readonly rules: AnswerRules;
}

/** Reads an answer once, for all that judge it. */
export function answerFacts(answer: Answer, rules: AnswerRules): AnswerFacts {
  const found = readJson(answer.body);
  const json = found ?? {};
  const { scope, ...others } = json;
  const { error, access_token: token } = others;
  const accessToken = typeof token === 'string' ? token : '';
  return {
    status: answer.status,
    tooLarge: answer.tooLarge,
    json,
    isJson: found !== undefined,
    error: typeof error === 'string' ? error : undefined,
    accessToken,
    statedLifetimeMs: readExpiresIn(json['expires_in']),
    jwtLifetimeMs: leftOfJwt(accessToken, answer, rules),
    granted: readGrantedScope(scope, rules.scope, [...rules.secrets, ...textsOf(others)]),
    upstreamOrigin: namedOrigin(json, rules.upstreamFrom),
    rules,
  };
}

function readExpiresIn(value: unknown): number | undefined {
  if (value === undefined || value === null) return undefined;
  const seconds = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds >= 1 ? Math.floor(seconds) * 1000 : Number.NaN;
}

/** Measured on the server's clock (its `Date` field) where it has one, so that a skewed clock here neither shortens nor stretches it. */
function leftOfJwt(accessToken: string, answer: Answer, rules: AnswerRules): number | undefined {
  const expiresAt = jwtExpiresAt(accessToken);
  if (expiresAt === undefined) return undefined;
  const serverNow = Date.parse(answer.field('date') ?? '');
  return expiresAt - (Number.isNaN(serverNow) ? rules.now : serverNow);
}

function namedOrigin(json: Readonly<Record<string, unknown>>, from: UpstreamFrom | undefined): string | undefined {
  const value = from && (json[from.field] ?? undefined);
  return from === undefined || value === undefined ? undefined : (allowedOrigin(value, from) ?? '');
}
