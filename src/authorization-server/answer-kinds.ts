/** The one table of what a token endpoint may answer instead of an acceptable token, and of which failure class it then is. */

import type { AnswerFacts, AnswerRules } from './answer-facts.ts';
import type { FailureClass } from './failure.ts';

export interface AnswerKind {
  /** As docs/tokens.md calls it. */
  readonly answer: string;
  readonly fits: (facts: AnswerFacts) => boolean;
  readonly failureClass: FailureClass;
  readonly reason: string | ((facts: AnswerFacts) => string);
  /** Instead of what the server said. */
  readonly said?: (facts: AnswerFacts) => string;
}

/** Errors of RFC 6749 §4.1.2.1 that servers also use at the token endpoint when they are in trouble. */
const TRANSIENT_ERRORS = new Set(['temporarily_unavailable', 'server_error', 'slow_down']);

const ACCESS_TOKEN_TYPE = 'urn:ietf:params:oauth:token-type:access_token';

const httpStatus = ({ status }: AnswerFacts) => `http_${status}`;
/** Only a code as standards make them may become a label of ours. */
const errorCode = (facts: AnswerFacts) => (/^[a-z_]{1,64}$/.test(facts.error ?? '') ? (facts.error as string) : httpStatus(facts));

/** The first row that fits decides; where none does, the answer holds an acceptable token. */
export const ANSWER_KINDS: readonly AnswerKind[] = [
  { answer: 'status 500 or above', fits: ({ status }) => status >= 500, failureClass: 'transient', reason: httpStatus },
  { answer: 'status 429', fits: ({ status }) => status === 429, failureClass: 'transient', reason: httpStatus },
  {
    // RFC 6749 §5.1 knows 200 alone; like an unreadable 200 it may be a proxy's hiccup.
    answer: 'another status below 300',
    fits: ({ status }) => status < 300 && status !== 200,
    failureClass: 'transient',
    reason: httpStatus,
  },
  { answer: '3xx; never followed', fits: ({ status }) => status >= 300 && status < 400, failureClass: 'nonsense', reason: httpStatus },
  { answer: 'more than 64 KiB', fits: ({ tooLarge }) => tooLarge, failureClass: 'nonsense', reason: 'answer_too_large' },
  {
    answer: '4xx with `error` `temporarily_unavailable`, `server_error` or `slow_down`',
    fits: ({ status, error }) => status !== 200 && error !== undefined && TRANSIENT_ERRORS.has(error),
    failureClass: 'transient',
    reason: errorCode,
  },
  {
    answer: '4xx with any other `error`',
    fits: ({ status, error }) => status !== 200 && error !== undefined,
    failureClass: 'permanent',
    reason: errorCode,
  },
  {
    answer: '401 without a readable `error`',
    fits: ({ status }) => status === 401,
    failureClass: 'permanent',
    reason: 'invalid_client',
  },
  { answer: 'another 4xx', fits: ({ status }) => status !== 200, failureClass: 'nonsense', reason: httpStatus },
  { answer: '200 that is no JSON object', fits: ({ isJson }) => !isJson, failureClass: 'transient', reason: 'answer_unreadable' },
  { answer: '200 with an `error`', fits: ({ json }) => json['error'] !== undefined, failureClass: 'nonsense', reason: 'error_in_success' },
  {
    answer: 'no `access_token`, or not a text',
    fits: ({ accessToken }) => accessToken === '',
    failureClass: 'nonsense',
    reason: 'token_missing',
  },
  {
    answer: 'a token longer than `maxSize`',
    fits: ({ accessToken, rules }) => accessToken.length > rules.maxSize,
    failureClass: 'nonsense',
    reason: 'token_too_large',
  },
  {
    // The RFC's alphabet without the space: wider than RFC 6750's b64token because real tokens are.
    answer: 'a token with anything but visible ASCII',
    fits: ({ accessToken }) => !/^[\x21-\x7e]+$/.test(accessToken),
    failureClass: 'nonsense',
    reason: 'token_malformed',
  },
  {
    answer: 'another `token_type`, or none',
    fits: ({ json, rules }) => !isAcceptedType(json['token_type'] ?? '', rules),
    failureClass: 'nonsense',
    reason: 'token_type_unexpected',
  },
  {
    answer: 'another `issued_token_type` than asked for, or none',
    fits: ({ json, rules }) => rules.requestedTokenType !== undefined && json['issued_token_type'] !== rules.requestedTokenType,
    failureClass: 'nonsense',
    reason: 'issued_token_type_unexpected',
  },
  {
    answer: 'an `expires_in` below 1, or that is no number',
    fits: ({ statedLifetimeMs }) => Number.isNaN(statedLifetimeMs),
    failureClass: 'nonsense',
    reason: 'expires_in_invalid',
  },
  {
    answer: 'a JWT whose `exp` is past',
    fits: ({ jwtLifetimeMs }) => jwtLifetimeMs !== undefined && jwtLifetimeMs <= 0,
    failureClass: 'nonsense',
    reason: 'token_expired',
  },
  {
    answer: 'a `scope` without all that was asked for, with `onMissingScope: "refuse"`',
    fits: ({ granted, rules }) => rules.onMissingScope === 'refuse' && granted.missingScope.length > 0,
    failureClass: 'nonsense',
    reason: 'scope_missing',
  },
  {
    answer: 'an upstream that `upstreamFrom` does not allow',
    fits: ({ upstreamOrigin }) => upstreamOrigin === '',
    failureClass: 'nonsense',
    reason: 'upstream_origin_unacceptable',
    // The value itself is not shown: it may be anything.
    said: ({ rules }) => `"${rules.upstreamFrom?.field}" is no origin that "upstreamFrom.allow" allows`,
  },
];

/** What was asked for by its type may be of type `N_A`, if it is no access token (RFC 8693 §2.2.1). */
function isAcceptedType(type: unknown, { tokenTypes, dpop = false, requestedTokenType }: AnswerRules): boolean {
  const isOther = requestedTokenType !== undefined && requestedTokenType !== ACCESS_TOKEN_TYPE;
  const accepted = dpop ? ['dpop'] : isOther ? [...tokenTypes, 'n_a'] : tokenTypes;
  return typeof type === 'string' && accepted.includes(type.toLowerCase());
}
