/** One answer for each row of the table of answers: nothing but that row says what is wrong with it. */

import type { AnswerRules } from '../../src/authorization-server/answer-facts.ts';
import type { Answer } from '../../src/authorization-server/call.ts';

export const GOOD = { access_token: 'at', token_type: 'Bearer', expires_in: 3600 };

const REQUESTED = 'urn:ietf:params:oauth:token-type:access_token';
export const EXPIRED_JWT = ['{}', '{"exp":1}', 'x'].map((part) => Buffer.from(part).toString('base64url')).join('.');

export interface AnswerExample {
  readonly status: number;
  /** Text as it is, anything else as JSON. */
  readonly body: unknown;
  readonly tooLarge?: boolean;
  /** Where the row is about what was asked for. */
  readonly rules?: Partial<AnswerRules>;
  readonly reason: string;
}

const ok = (members: object, reason: string): AnswerExample => ({ status: 200, body: { ...GOOD, ...members }, reason });

/** By what the table calls it. */
export const EXAMPLES: Readonly<Record<string, AnswerExample>> = {
  'status 500 or above': { status: 503, body: '', reason: 'http_503' },
  'status 429': { status: 429, body: { error: 'invalid_client' }, reason: 'http_429' },
  'another status below 300': { status: 204, body: '', reason: 'http_204' },
  '3xx; never followed': { status: 302, body: GOOD, reason: 'http_302' },
  'more than 64 KiB': { status: 200, body: '', tooLarge: true, reason: 'answer_too_large' },
  '4xx with `error` `temporarily_unavailable`, `server_error` or `slow_down`': {
    status: 400,
    body: { error: 'slow_down' },
    reason: 'slow_down',
  },
  '4xx with any other `error`': { status: 400, body: { error: 'invalid_scope' }, reason: 'invalid_scope' },
  '401 without a readable `error`': { status: 401, body: '<html>', reason: 'invalid_client' },
  'another 4xx': { status: 403, body: '<html>', reason: 'http_403' },
  '200 that is no JSON object': { status: 200, body: '<html>', reason: 'answer_unreadable' },
  '200 with an `error`': ok({ error: 'x' }, 'error_in_success'),
  'no `access_token`, or not a text': ok({ access_token: 7 }, 'token_missing'),
  'a token longer than `maxSize`': ok({ access_token: 'a'.repeat(9000) }, 'token_too_large'),
  'a token with anything but visible ASCII': ok({ access_token: 'a b' }, 'token_malformed'),
  'another `token_type`, or none': ok({ token_type: undefined }, 'token_type_unexpected'),
  'another `issued_token_type` than asked for, or none': {
    ...ok({ issued_token_type: 'urn:ietf:params:oauth:token-type:jwt' }, 'issued_token_type_unexpected'),
    rules: { requestedTokenType: REQUESTED },
  },
  'an `expires_in` below 1, or that is no number': ok({ expires_in: 0 }, 'expires_in_invalid'),
  'a JWT whose `exp` is past': ok({ access_token: EXPIRED_JWT }, 'token_expired'),
  'a `scope` without all that was asked for, with `onMissingScope: "refuse"`': {
    ...ok({ scope: 'orders.read' }, 'scope_missing'),
    rules: { scope: 'orders.read orders.write', onMissingScope: 'refuse' },
  },
  'an upstream that `upstreamFrom` does not allow': {
    ...ok({ instance_url: 'https://evil.example' }, 'upstream_origin_unacceptable'),
    rules: { upstreamFrom: { field: 'instance_url', allow: ['https://*.my.salesforce.com'] } },
  },
};

export function answerOf({ status, body, tooLarge = false }: Omit<AnswerExample, 'reason'>): Answer {
  const bytes = Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));
  return { status, field: () => undefined, body: bytes, tooLarge };
}

export function rulesFor({ rules }: Pick<AnswerExample, 'rules'> = {}): AnswerRules {
  const now = 1_800_000_000_000;
  return { maxSize: 8192, tokenTypes: ['bearer'], now, grant: 'client_credentials', secrets: [], ...rules };
}
