/** What the token stage tells whoever watches: the log, the metrics, the terminal of `dev`. */

import type { AuthorizationServerError } from '../authorization-server/failure.ts';
import type { Token } from './token.ts';

export interface FailedGrant {
  /** How long it took, with its tries. */
  readonly ms: number;
  /** For how long the server is left alone. */
  readonly pauseMs: number;
  /** An unexpired token serves on. */
  readonly serving: boolean;
}

export interface TokenObserver {
  /** A grant succeeded; `ms` is how long it took. */
  granted(name: string, token: Token, ms: number): void;
  /** One try of a grant failed. */
  attemptFailed(name: string, failure: AuthorizationServerError): void;
  /** The grant was given up. */
  grantFailed(name: string, failure: AuthorizationServerError, outcome: FailedGrant): void;
  /** The server refused a caller's own credentials. */
  credentialsRefused(name: string, failure: AuthorizationServerError): void;
  /** A token was taken over from the store. */
  shared(name: string, token: Token): void;
  /** The authorization server took back the token, or the refresh token that was held without one. */
  revoked(name: string, token: Token | undefined): void;
  /** It did not: the token is good until it ends. */
  notRevoked(name: string, failure: AuthorizationServerError): void;
  /** Nobody used the token for `idleAfter`: it is no longer renewed. */
  idle(name: string): void;
}

/** What happens inside the grants of one token of the config. */
export interface GrantObserver extends RefreshTokenObserver, RegistrationObserver {
  /** The server refused the client secret of before and took another of the list: the one at `position`, from 1, of `count`. */
  secretChanged(position: number, count: number): void;
}

/** Why a client was registered, the first time or once more. */
export type RegistrationReason = 'none kept' | 'config changed' | 'secret ended' | 'refused';

/** What becomes of a client that enrols itself. */
export interface RegistrationObserver {
  registered(clientId: string, reason: RegistrationReason): void;
  /** It serves, but the next start has to register another one. */
  registrationNotPersisted(error: unknown): void;
  /** What stands in the file cannot be used, and is not. `reason` ends a sentence that begins with the file. */
  registrationUnreadable(reason: string): void;
}

/** What becomes of the refresh tokens of one token of the config. */
export interface RefreshTokenObserver {
  /** The server refused one; it is forgotten, and the primary grant follows. */
  refused(failure: AuthorizationServerError): void;
  /** One that replaces another could not be written to its file: it serves, but is lost with this process. */
  notPersisted(error: unknown): void;
  /** What stands in the file cannot be used, and is not. `reason` ends a sentence that begins with the file. */
  unreadable(reason: string): void;
}
