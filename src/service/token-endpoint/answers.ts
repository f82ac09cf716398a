/** What a token endpoint says: a token (RFC 6749 §5.1), or an error that OAuth clients can read (§5.2). */

import type { ErrorCode } from '../../errors.ts';
import type { CallerRequest, Reply } from '../../message.ts';
import { problemOf, type ToProblem } from '../../problem.ts';
import type { Token } from '../../token/token.ts';

const OAUTH_ERRORS: Readonly<Record<ErrorCode, string>> = {
  REQUEST_INVALID: 'invalid_request',
  REQUEST_TOO_LARGE: 'invalid_request',
  REQUEST_TIMEOUT: 'invalid_request',
  CALLER_UNAUTHENTICATED: 'invalid_client',
  CALLER_UNVERIFIABLE: 'temporarily_unavailable',
  CALLER_FORBIDDEN: 'unauthorized_client',
  ROUTE_NOT_FOUND: 'invalid_request',
  ROUTE_METHOD_NOT_ALLOWED: 'invalid_request',
  TOKEN_UNAVAILABLE: 'temporarily_unavailable',
  TOKEN_REJECTED: 'server_error',
  TOKEN_INVALID: 'server_error',
  UPSTREAM_UNREACHABLE: 'server_error',
  UPSTREAM_RESET: 'server_error',
  UPSTREAM_INVALID_RESPONSE: 'server_error',
  UPSTREAM_TIMEOUT: 'server_error',
  BROKER_OVERLOADED: 'temporarily_unavailable',
  INTERNAL: 'server_error',
};

export const toOAuthError: ToProblem = (error, requestId) => {
  const { code, message, oauthError = OAUTH_ERRORS[code] } = error;
  const problem = problemOf(error, requestId, 'application/json', {
    error: oauthError,
    error_description: describable(message),
    code,
    requestId,
  });
  return { ...problem, fields: [...problem.fields, 'pragma', 'no-cache'] };
};

/** What stands in an answer beside the token. */
interface Beside {
  /** Seconds. */
  readonly expiresIn: number;
  /** Under which name the authorization server says where the token is to be used, if it does. */
  readonly originField: string | undefined;
}

export function answerToken(request: CallerRequest, reply: Reply, token: Token, { expiresIn, originField }: Beside): number {
  const { scheme, scope, upstreamOrigin } = token;
  const said = { access_token: token.reveal(), token_type: scheme, expires_in: expiresIn, scope };
  return answerJson(request, reply, originField === undefined ? said : { [originField]: upstreamOrigin, ...said });
}

/** Nobody on the way may keep it: each client asks for itself. */
export function answerJson({ id }: CallerRequest, reply: Reply, value: Readonly<Record<string, unknown>>): number {
  const body = Buffer.from(`${JSON.stringify(value)}\n`);
  const fields = [
    'content-type',
    'application/json',
    'content-length',
    String(body.length),
    'cache-control',
    'no-store',
    'pragma',
    'no-cache',
    'x-request-id',
    id,
  ];
  const sink = reply.start(200, '', fields, () => {});
  sink.chunk(body);
  sink.end([]);
  return 200;
}

/** RFC 6749 §5.2 leaves out quotes, the backslash and all that is not ASCII. */
function describable(message: string): string {
  return message.replaceAll('"', "'").replaceAll(/[^\x20-\x5b\x5d-\x7e]/g, '?');
}
