/** How a token is obtained: from the store where it holds a good one, else by a grant; and what is remembered when it fails. */

import { AuthorizationServerError, toAuthorizationServerError } from '../authorization-server/failure.ts';
import type { UpstreamFrom } from '../authorization-server/upstream-origin.ts';
import { type Clock, pause } from '../clock.ts';
import type { RenewConfig } from '../config/schema/tokens.ts';
import type { BrokerError } from '../errors.ts';
import type { Discard } from './discard.ts';
import { FailureMemory, getWithRetry } from './failure.ts';
import type { TokenObserver } from './observer.ts';
import { isSendable, sendableMs } from './renewal.ts';
import type { Grant } from './source.ts';
import { isTurn, noStore, type StoredToken, type TokenStore, type Turn } from './store/store.ts';
import { fromStored, isAskedForAfter, isWorthTaking, mayGoTo, toStored } from './stored.ts';
import type { Token } from './token.ts';

export interface ObtainingParts {
  /** The token's name in the config. */
  readonly name: string;
  /** Read anew each time: a user name from a file may change. */
  readonly identity: string;
  readonly grant: Grant;
  readonly renew: RenewConfig;
  readonly upstreamFrom?: UpstreamFrom | undefined;
  readonly store: TokenStore | undefined;
  readonly discard: Discard;
  readonly observer: TokenObserver;
  readonly clock: Clock;
}

/** Whoever has the token at hand. Told at the very moment: nothing may come between a judgement and what it leads to. */
export interface Holder {
  /** Whether the token at hand may still be sent. */
  serving(): boolean;
  hold(token: Token, identity: string): Token;
  /** The server may be asked again after `failures.leftMs`. */
  failed(failure: AuthorizationServerError): void;
}

/** Whether a token of the store is good enough. */
export type Serves = (stored: StoredToken) => boolean;

/** One run at a time: its caller sees to that. */
export class Obtaining {
  readonly failures: FailureMemory;
  readonly #parts: ObtainingParts;
  readonly #clock: Clock;
  readonly #holder: Holder;
  #grantedAt = Number.NEGATIVE_INFINITY;
  /** How often a secret has changed. */
  #changes = 0;
  /** How often it was purged. */
  #purges = 0;
  /** Monotonic: what was asked for until then, by whatever replica, may be what the purge was about. */
  #purgedAt = Number.NEGATIVE_INFINITY;
  readonly #end = new AbortController();

  constructor(parts: ObtainingParts, holder: Holder) {
    this.#parts = parts;
    this.#clock = parts.clock;
    this.#holder = holder;
    this.failures = new FailureMemory(parts.clock);
  }

  /** The last grant is so short ago that the server would hand out the same token. */
  get tooSoon(): boolean {
    return this.#clock.monotonic() - this.#grantedAt < this.#parts.renew.minInterval;
  }

  /** Nothing that is remembered keeps the next grant back. */
  forgive(): void {
    this.failures.forget();
    this.#parts.grant.forgive?.();
  }

  /** A changed secret deserves another try at once. */
  secretChanged(): void {
    this.#changes += 1;
    this.forgive();
  }

  /** What is on its way is begun again, and nothing from before counts any more. */
  purged(): void {
    this.#purges += 1;
    this.#purgedAt = this.#clock.monotonic();
    this.forgive();
  }

  /** A failed grant is not tried again, and nobody is told of it: the broker ends, or this token does. */
  close(): void {
    this.#end.abort(new AuthorizationServerError('transient', 'closed'));
  }

  /** Rejects with a `BrokerError`. */
  async obtain(serves: Serves = () => true): Promise<Token> {
    const { identity } = this.#parts;
    const purges = this.#purges;
    const token = await this.#fromStore(identity, serves).catch((error: unknown) => {
      // A refresh token may have come beside what could not be used.
      if (purges !== this.#purges) void this.#parts.discard(undefined, identity);
      throw error;
    });
    if (purges !== this.#purges) {
      void this.#parts.discard(token, identity);
      return this.obtain((stored) => serves(stored) && stored.value !== token.reveal());
    }
    // Whose token this is has changed on the way.
    return identity === this.#parts.identity ? this.#holder.hold(token, identity) : this.obtain(serves);
  }

  async #fromStore(identity: string, serves: Serves): Promise<Token> {
    const { store = noStore, name, observer, renew, upstreamFrom } = this.#parts;
    const found = await store.obtain(
      identity,
      (stored) =>
        isAskedForAfter(this.#purgedAt, stored, this.#clock) &&
        serves(stored) &&
        mayGoTo(stored, upstreamFrom) &&
        isWorthTaking(stored, !this.#holder.serving(), renew, this.#clock),
    );
    if (isTurn(found)) return this.#fromGrant(found, identity);
    const token = fromStored(found, renew, this.#clock);
    observer.shared(name, token);
    return token;
  }

  async #fromGrant(turn: Turn, identity: string): Promise<Token> {
    const { grant, name, observer, renew } = this.#parts;
    const pauseMs = this.#grantedAt + renew.minInterval - this.#clock.monotonic();
    if (pauseMs > 0) await pause(this.#clock, pauseMs);
    const startedAt = this.#clock.monotonic();
    const changes = this.#changes + this.#purges;
    const since = () => this.#clock.monotonic() - startedAt;
    try {
      const token = await getWithRetry(grant, {
        signal: this.#end.signal,
        onAttemptFailed: (failure) => observer.attemptFailed(name, failure),
      });
      // The server took longer to answer than its token lasts.
      if (!isSendable(token, renew, this.#clock)) throw new AuthorizationServerError('transient', 'token_expired_on_arrival');
      this.failures.forget();
      this.#grantedAt = this.#clock.monotonic();
      observer.granted(name, token, since());
      // Of whom it is, where the user name has changed on the way, nobody can say.
      if (identity === this.#parts.identity) this.#share(token, turn);
      else turn.giveUp();
      return token;
    } catch (error) {
      turn.giveUp();
      throw this.#fail(toAuthorizationServerError(error), changes, since());
    }
  }

  /** @param changes of secrets, and purges, when the grant began: the failure of an old secret says nothing of the new one */
  #fail(failure: AuthorizationServerError, changes: number, ms: number): BrokerError {
    this.failures.remember(failure);
    const error = this.failures.toBrokerError();
    if (changes !== this.#changes + this.#purges) this.failures.forget();
    if (this.#end.signal.aborted) return error;
    const { observer, name } = this.#parts;
    observer.grantFailed(name, failure, { ms, pauseMs: this.failures.leftMs, serving: this.#holder.serving() });
    this.#holder.failed(failure);
    return error;
  }

  #share(token: Token, turn: Turn): void {
    turn.share(toStored(token), Math.floor(sendableMs(token, this.#parts.renew, this.#clock)));
  }
}
