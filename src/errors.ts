/** What can go wrong, as one class and one table: code → status, title and RFC 9209 error type. */

/** Where on a request's way a failure happened: the four stage words, and the edges around them. */
export type Stage = 'listener' | 'caller' | 'route' | 'token' | 'upstream' | 'config' | 'broker';

interface ErrorKind {
  readonly status: number;
  readonly title: string;
  /** Registered in the "Proxy Error Types" registry of RFC 9209 §2.3. */
  readonly proxyError: string;
}

/** Every code a caller can be shown. `docs/errors.md` has one heading for each; a test holds the two together. */
export const ERROR_KINDS = {
  REQUEST_INVALID: { status: 400, title: 'The request is malformed or ambiguous', proxyError: 'http_request_error' },
  REQUEST_TOO_LARGE: { status: 413, title: 'The request is too large', proxyError: 'http_request_error' },
  REQUEST_TIMEOUT: { status: 408, title: 'The request took too long to arrive', proxyError: 'http_request_error' },
  CALLER_UNAUTHENTICATED: { status: 401, title: 'The caller is not authenticated', proxyError: 'http_request_denied' },
  CALLER_UNVERIFIABLE: {
    status: 503,
    title: 'Who the caller is cannot be found out at the moment',
    proxyError: 'destination_unavailable',
  },
  CALLER_FORBIDDEN: { status: 403, title: 'The caller may not do this', proxyError: 'http_request_denied' },
  ROUTE_NOT_FOUND: { status: 404, title: 'No route matches the request', proxyError: 'destination_not_found' },
  ROUTE_METHOD_NOT_ALLOWED: { status: 405, title: 'The route does not allow this method', proxyError: 'http_request_denied' },
  TOKEN_UNAVAILABLE: { status: 503, title: 'No token can be obtained at the moment', proxyError: 'destination_unavailable' },
  TOKEN_REJECTED: { status: 502, title: 'The authorization server refuses to issue a token', proxyError: 'proxy_configuration_error' },
  TOKEN_INVALID: { status: 502, title: 'The authorization server gave no usable answer', proxyError: 'proxy_internal_error' },
  UPSTREAM_UNREACHABLE: { status: 502, title: 'The upstream cannot be reached', proxyError: 'connection_refused' },
  UPSTREAM_RESET: { status: 502, title: 'The upstream closed the connection without an answer', proxyError: 'connection_terminated' },
  UPSTREAM_INVALID_RESPONSE: { status: 502, title: 'The upstream sent an unacceptable answer', proxyError: 'http_protocol_error' },
  UPSTREAM_TIMEOUT: { status: 504, title: 'The upstream did not answer in time', proxyError: 'http_response_timeout' },
  BROKER_OVERLOADED: { status: 503, title: 'The broker is at its limit', proxyError: 'connection_limit_reached' },
  INTERNAL: { status: 500, title: 'The broker failed', proxyError: 'proxy_internal_error' },
} as const satisfies Record<string, ErrorKind>;

export type ErrorCode = keyof typeof ERROR_KINDS;

export interface BrokerErrorOptions {
  readonly stage: Stage;
  /** Shown to nobody but the log. */
  readonly cause?: unknown;
  /** Replaces the status of the code's row, where the contract gives a code several. */
  readonly status?: number;
  /** Replaces the RFC 9209 type of the code's row where the failure is known more precisely. */
  readonly proxyError?: string;
  /** What a token endpoint calls it (RFC 6749 §5.2), where that is known more precisely than by the code. */
  readonly oauthError?: string;
  /** Seconds; becomes `Retry-After`. */
  readonly retryAfterSeconds?: number;
  /** More fields for the answer: `WWW-Authenticate`, `Allow`. Name, value, name, value. */
  readonly fields?: readonly string[];
  /** Whether the connection to the caller must close after the answer. */
  readonly close?: boolean;
}

/**
 * A failure that the broker answers for. `message` is shown to the caller as `detail`: it never holds a secret, a token,
 * a path, or what another party said.
 */
export class BrokerError extends Error {
  override readonly name = 'BrokerError';
  readonly code: ErrorCode;
  readonly stage: Stage;
  readonly status: number;
  readonly proxyError: string;
  readonly oauthError: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly fields: readonly string[];
  readonly close: boolean;

  constructor(code: ErrorCode, message: string, options: BrokerErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    const kind: ErrorKind = ERROR_KINDS[code];
    this.code = code;
    this.stage = options.stage;
    this.status = options.status ?? kind.status;
    this.proxyError = options.proxyError ?? kind.proxyError;
    this.oauthError = options.oauthError;
    this.retryAfterSeconds = options.retryAfterSeconds;
    this.fields = options.fields ?? [];
    this.close = options.close ?? false;
  }
}

/** Any thrown thing as a `BrokerError`: what nobody foresaw is `INTERNAL`, and its text stays in the log. */
export function toBrokerError(error: unknown, stage: Stage = 'broker'): BrokerError {
  if (error instanceof BrokerError) return error;
  return new BrokerError('INTERNAL', 'the broker failed while handling this request', { stage, cause: error });
}
