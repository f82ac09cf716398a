/** After a failed grant: what to try again at once, what to remember and for how long, what the caller is told. */

import pRetry from 'p-retry';
import { type AuthorizationServerError, type FailureClass, toAuthorizationServerError } from '../authorization-server/failure.ts';
import type { Clock } from '../clock.ts';
import { BrokerError, type ErrorCode } from '../errors.ts';
import type { Grant } from './source.ts';
import type { Token } from './token.ts';

/** Tries in all, for one need of a token. */
const ATTEMPTS = 3;
/** As long as callers wait; a later try would serve nobody who is still there. */
export const WAIT_MS = 10_000;

const CODES: Record<FailureClass, ErrorCode> = { transient: 'TOKEN_UNAVAILABLE', permanent: 'TOKEN_REJECTED', nonsense: 'TOKEN_INVALID' };

const MESSAGES: Record<FailureClass, string> = {
  transient: 'the authorization server cannot be reached or is in trouble; try again later',
  permanent: 'the authorization server refused to issue a token; the operator finds the reason in the log',
  nonsense: 'the authorization server gave an answer that cannot be used; the operator finds the reason in the log',
};

export interface Retrying {
  /** When it is aborted no other try begins; one that is on its way counts still. */
  readonly signal: AbortSignal;
  readonly onAttemptFailed: (failure: AuthorizationServerError) => void;
}

/** Tries a grant up to three times, with jittered back-off, while the failure may pass and no server asked for patience. */
export async function getWithRetry(grant: Grant, { signal, onAttemptFailed }: Retrying): Promise<Token> {
  let token: Token | undefined;
  const attempt = async () => {
    token = await grant.get();
    return token;
  };
  try {
    return await pRetry(attempt, {
      signal,
      retries: ATTEMPTS - 1,
      minTimeout: 200,
      factor: 3,
      randomize: true,
      maxRetryTime: WAIT_MS,
      onFailedAttempt: ({ error }) => onAttemptFailed(toAuthorizationServerError(error)),
      shouldRetry: ({ error }) => {
        const failure = toAuthorizationServerError(error);
        return failure.failureClass === 'transient' && (failure.retryAfterMs ?? 0) === 0;
      },
    });
  } catch (error) {
    // p-retry throws away what came after the signal; somebody has to give it back.
    if (token !== undefined) return token;
    throw toAuthorizationServerError(error);
  }
}

/** Milliseconds: the pause after the first failure in a row, and the longest. */
const PAUSES: Record<FailureClass, { firstMs: number; longestMs: number }> = {
  transient: { firstMs: 1_000, longestMs: 5_000 },
  permanent: { firstMs: 10_000, longestMs: 60_000 },
  nonsense: { firstMs: 10_000, longestMs: 60_000 },
};
/** A refused password tried again and again locks the account. */
const RESOURCE_OWNER_PAUSE_MS = 10 * 60_000;

export interface LastFailure {
  readonly code: ErrorCode;
  /** Wall clock, milliseconds since the epoch. */
  readonly at: number;
}

/** Remembers that a token could not be had, so that callers are answered at once and the server is left alone. */
export class FailureMemory {
  readonly #clock: Clock;
  #failure: AuthorizationServerError | undefined;
  #last: LastFailure | undefined;
  #inARow = 0;
  #until = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  remember(failure: AuthorizationServerError): void {
    this.#failure = failure;
    this.#last = { code: CODES[failure.failureClass], at: this.#clock.now() };
    this.#until = this.#clock.monotonic() + this.#pauseMs(failure);
    this.#inARow += 1;
  }

  forget(): void {
    this.#failure = undefined;
    this.#inARow = 0;
  }

  /** Whether or not it was forgotten since. */
  get last(): LastFailure | undefined {
    return this.#last;
  }

  /** Milliseconds until the authorization server may be asked again; 0 when it may be now. */
  get leftMs(): number {
    return this.#failure === undefined ? 0 : Math.max(0, this.#until - this.#clock.monotonic());
  }

  /** The remembered failure as the caller sees it. Call only after `remember`. */
  toBrokerError(): BrokerError {
    const failure = this.#failure as AuthorizationServerError;
    const retryAfterSeconds = Math.max(1, Math.ceil(this.leftMs / 1000));
    return new BrokerError(CODES[failure.failureClass], MESSAGES[failure.failureClass], {
      stage: 'token',
      cause: failure,
      ...(failure.failureClass === 'transient' ? { retryAfterSeconds } : {}),
    });
  }

  #pauseMs(failure: AuthorizationServerError): number {
    // Where that is in doubt it may have been something that passes: one more try tells.
    if (failure.resourceOwnerRefused || (failure.resourceOwnerInDoubt && this.#inARow > 0)) return RESOURCE_OWNER_PAUSE_MS;
    const { firstMs, longestMs } = PAUSES[failure.failureClass];
    const pauseMs = Math.min(firstMs * 2 ** Math.min(this.#inARow, 10), longestMs);
    return Math.max(pauseMs * (1 + this.#clock.random() / 4), failure.retryAfterMs ?? 0);
  }
}
