/** What can go wrong at an authorization server, in three classes that decide what the broker does next. */

/**
 * - `transient`: may pass by itself (network, TLS, discovery, 5xx, 429, an unreadable 200): retried.
 * - `permanent`: the server understood and refused (RFC 6749 §5.2): not retried, remembered.
 * - `nonsense`: an answer that must not be used: not retried, remembered.
 */
export type FailureClass = 'transient' | 'permanent' | 'nonsense';

export interface FailureDetails {
  /** Milliseconds to wait before the next try, as the server or the breaker asked. */
  readonly retryAfterMs?: number | undefined;
  /** The resource owner's credentials were refused: trying again could lock the account. */
  readonly resourceOwnerRefused?: boolean;
  /** They may have been: the answer does not say what was wrong. */
  readonly resourceOwnerInDoubt?: boolean;
  /** The client's proof was refused: another secret may do. */
  readonly clientRefused?: boolean;
  /** The server wants the nonce that it gave in the proof of possession (RFC 9449 §8): the same request, made anew, will have it. */
  readonly nonceWanted?: boolean;
  /** What the server said, masked and cut: for the log only. */
  readonly said?: string | undefined;
  readonly cause?: unknown;
}

/** `reason` is a short code: `timeout`, `http_503`, `invalid_client`, … It never holds text of the server. */
export class AuthorizationServerError extends Error {
  override readonly name = 'AuthorizationServerError';
  readonly failureClass: FailureClass;
  readonly reason: string;
  readonly retryAfterMs: number | undefined;
  readonly resourceOwnerRefused: boolean;
  readonly resourceOwnerInDoubt: boolean;
  readonly clientRefused: boolean;
  readonly nonceWanted: boolean;
  readonly said: string | undefined;

  constructor(failureClass: FailureClass, reason: string, details: FailureDetails = {}) {
    super(`the authorization server failed: ${reason}`, details.cause === undefined ? undefined : { cause: details.cause });
    this.failureClass = failureClass;
    this.reason = reason;
    this.retryAfterMs = details.retryAfterMs;
    this.resourceOwnerRefused = details.resourceOwnerRefused ?? false;
    this.resourceOwnerInDoubt = details.resourceOwnerInDoubt ?? false;
    this.clientRefused = details.clientRefused ?? false;
    this.nonceWanted = details.nonceWanted ?? false;
    this.said = details.said;
  }
}

const TIMEOUT_CODES = new Set(['ETIMEDOUT', 'OAUTH_TIMEOUT']);

export function timeout(): AuthorizationServerError {
  return new AuthorizationServerError('transient', 'timeout');
}

/** Finds our own error in a chain of causes, or turns what a library threw into one: by code, never by class. */
export function toAuthorizationServerError(error: unknown): AuthorizationServerError {
  let code: string | undefined;
  for (let link = error, depth = 0; link !== null && typeof link === 'object' && depth < 8; depth += 1) {
    if (link instanceof AuthorizationServerError) return link;
    const candidate = link as { code?: unknown; cause?: unknown };
    if (typeof candidate.code === 'string') code = candidate.code;
    // What kept us from the proxy says nothing of the server.
    if (code?.startsWith('PROXY_')) break;
    link = candidate.cause;
  }
  if (code !== undefined && TIMEOUT_CODES.has(code)) return new AuthorizationServerError('transient', 'timeout', { cause: error });
  if (code?.startsWith('OAUTH_')) return new AuthorizationServerError('nonsense', code.toLowerCase(), { cause: error });
  return new AuthorizationServerError('transient', code === undefined ? 'network' : code.toLowerCase(), { cause: error });
}
