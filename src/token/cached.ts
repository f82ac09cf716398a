/** A source around a source: serves a fresh token from memory, renews it ahead of its end, asks the store before the grant. */

import { setTimeout as sleep } from 'node:timers/promises';
import { AuthorizationServerError, toAuthorizationServerError } from '../authorization-server/failure.ts';
import type { UpstreamFrom } from '../authorization-server/upstream-origin.ts';
import type { Clock } from '../clock.ts';
import type { RenewConfig } from '../config/schema/tokens.ts';
import type { BrokerError } from '../errors.ts';
import type { Discard } from './discard.ts';
import { FailureMemory, getWithRetry } from './failure.ts';
import type { TokenObserver } from './observer.ts';
import { Refusals } from './refusals.ts';
import { type Lifetime, planLifetime } from './renewal.ts';
import { SingleFlight } from './single-flight.ts';
import type { TokenSource, Waiter } from './source.ts';
import { isTurn, noStore, type StoredToken, type TokenStore, type Turn } from './store/store.ts';
import { fromStored, isWorthTaking, mayGoTo, toStored } from './stored.ts';
import type { Token } from './token.ts';

export interface CachedTokenParts {
  /** The token's name in the config. */
  readonly name: string;
  /** Read anew each time: a user name from a file may change. */
  readonly identity: string;
  readonly grant: TokenSource;
  readonly renew: RenewConfig;
  readonly upstreamFrom?: UpstreamFrom | undefined;
  readonly store: TokenStore | undefined;
  readonly discard: Discard;
  readonly observer: TokenObserver;
  readonly clock: Clock;
}

interface Held extends Lifetime {
  readonly token: Token;
  readonly identity: string;
}

export type TokenState = 'none' | 'fresh' | 'renewing' | 'expired';

export interface TokenStatus {
  readonly state: TokenState;
  readonly fingerprint: string | undefined;
  /** As granted. */
  readonly scope: string | undefined;
  readonly secondsLeft: number | undefined;
  /** Requests that wait for it. */
  readonly waiting: number;
}

/** One token of the config: at most one grant in flight, whoever asks. */
export class CachedToken implements TokenSource {
  readonly #parts: CachedTokenParts;
  readonly #clock: Clock;
  readonly #flight: SingleFlight<Token>;
  readonly #memory: FailureMemory;
  readonly #refusals: Refusals;
  #held: Held | undefined;
  #usedAt: number;
  #grantedAt = Number.NEGATIVE_INFINITY;
  /** How often a secret has changed. */
  #changes = 0;
  /** How often it was purged. */
  #purges = 0;
  /** Wall clock: what was asked for until then, by whatever replica, may be what the purge was about. */
  #purgedAt = Number.NEGATIVE_INFINITY;
  #cancelTimer = () => {};
  #closed = false;

  constructor(parts: CachedTokenParts) {
    this.#parts = parts;
    this.#clock = parts.clock;
    this.#flight = new SingleFlight(parts.clock);
    this.#memory = new FailureMemory(parts.clock);
    this.#refusals = new Refusals(
      { peek: () => this.peek(), other: (refused, mayBegin) => this.#other(refused, mayBegin) },
      parts.clock,
      parts.renew.minInterval,
    );
    this.#usedAt = parts.clock.monotonic();
  }

  get name(): string {
    return this.#parts.name;
  }

  peek(): Token | undefined {
    const held = this.#held;
    if (held === undefined) return undefined;
    const ageMs = held.token.ageMs(this.#clock);
    if (ageMs >= held.unusableAtAge) return undefined;
    this.#usedAt = this.#clock.monotonic();
    if (ageMs >= held.renewAtAge) this.#renewAhead();
    return held.token;
  }

  async get(waiter?: Waiter): Promise<Token> {
    const usable = this.peek();
    if (usable !== undefined) return usable;
    this.#usedAt = this.#clock.monotonic();
    if (!this.#flight.running && this.#memory.leftMs > 0) throw this.#memory.toBrokerError();
    return this.#flight.wait(this.#obtain(), waiter);
  }

  /** Whether this token, given out a while ago, is still outside its hard margin. */
  mayBeSent(token: Token): boolean {
    return token.ageMs(this.#clock) < planLifetime(token.lifetimeMs, this.#parts.renew, 0).unusableAtAge;
  }

  /**
   * An upstream refused `token`: another one, from memory, the store or a new grant, or `undefined` when there is none to be had. A
   * thousand callers with the same refused token cost one grant, and a token that was renewed a moment ago none at all.
   *
   * @param again `token` had just been fetched on this ground
   */
  replace(token: Token, again = false): Promise<Token | undefined> {
    return this.#refusals.replace(token, again);
  }

  /**
   * Forced: a new grant now, or the one in flight, whatever failure is remembered and whatever the store holds. The token at hand
   * serves until it succeeds. Rejects like `get`.
   */
  renew(): Promise<Token> {
    this.#memory.forget();
    return this.#flight.wait(this.#obtain(() => false));
  }

  /**
   * Ends the token at hand, also for other replicas, and forgets a remembered failure: whoever needs one next has it made. A grant in
   * flight is told to begin again, or, once this is closed, waited for. Never rejects.
   */
  async purge(): Promise<void> {
    if (this.#closed) await this.#flight.settled();
    const held = this.#held;
    this.#held = undefined;
    this.#purges += 1;
    this.#purgedAt = this.#clock.now();
    this.#memory.forget();
    this.#cancelTimer();
    await this.#parts.discard(held?.token, held?.identity ?? this.#parts.identity);
  }

  /** A changed secret deserves another try at once. Where it says whose token this is, the one at hand is somebody else's now. */
  secretChanged(): void {
    this.#changes += 1;
    this.#memory.forget();
    if (this.#held !== undefined && this.#held.identity !== this.#parts.identity) this.#held = undefined;
  }

  /** For `/readyz`, `/metrics` and `/status`; does not count as a use. */
  status(): TokenStatus {
    const { waiting } = this.#flight;
    const held = this.#held;
    if (held === undefined) return { state: 'none', fingerprint: undefined, scope: undefined, secondsLeft: undefined, waiting };
    const ageMs = held.token.ageMs(this.#clock);
    const state = ageMs >= held.unusableAtAge ? 'expired' : ageMs >= held.renewAtAge ? 'renewing' : 'fresh';
    return {
      state,
      fingerprint: held.token.fingerprint,
      scope: held.token.scope,
      secondsLeft: (held.token.lifetimeMs - ageMs) / 1000,
      waiting,
    };
  }

  /** Stops renewing; what waits is answered still. */
  close(): void {
    this.#closed = true;
    this.#cancelTimer();
  }

  #renewAhead(): void {
    const tooSoon = this.#clock.monotonic() - this.#grantedAt < this.#parts.renew.minInterval;
    if (this.#closed || tooSoon || this.#flight.running || this.#memory.leftMs > 0) return;
    void this.#obtain();
  }

  #other(refused: Token, mayBegin: () => boolean): Promise<Token> | undefined {
    if (!this.#flight.running && (this.#closed || this.#memory.leftMs > 0 || !mayBegin())) return undefined;
    return this.#flight.wait(this.#obtain((stored) => stored.value !== refused.reveal()));
  }

  /** @param serves whether a token of the store is good enough */
  #obtain(serves: (stored: StoredToken) => boolean = () => true): Promise<Token> {
    return this.#flight.start(() => this.#fetch(serves));
  }

  async #fetch(serves: (stored: StoredToken) => boolean): Promise<Token> {
    const { identity } = this.#parts;
    const purges = this.#purges;
    const token = await this.#fromStore(identity, serves);
    if (purges !== this.#purges) {
      void this.#parts.discard(token, identity);
      return this.#fetch((stored) => serves(stored) && stored.value !== token.reveal());
    }
    // Whose token this is has changed on the way.
    return identity === this.#parts.identity ? this.#hold(token, identity) : this.#fetch(serves);
  }

  async #fromStore(identity: string, serves: (stored: StoredToken) => boolean): Promise<Token> {
    const { store = noStore, name, observer, renew, upstreamFrom } = this.#parts;
    const hasNone = () => this.#held === undefined || !this.mayBeSent(this.#held.token);
    const found = await store.obtain(
      identity,
      (stored) =>
        stored.requestedAt > this.#purgedAt &&
        serves(stored) &&
        mayGoTo(stored, upstreamFrom) &&
        isWorthTaking(stored, hasNone(), renew, this.#clock),
    );
    if (isTurn(found)) return this.#fromGrant(found);
    const token = fromStored(found, renew, this.#clock);
    observer.shared(name, token);
    return token;
  }

  async #fromGrant(turn: Turn): Promise<Token> {
    const { grant, name, observer } = this.#parts;
    const pauseMs = this.#grantedAt + this.#parts.renew.minInterval - this.#clock.monotonic();
    if (pauseMs > 0) await sleep(pauseMs, undefined, { ref: false });
    const startedAt = this.#clock.monotonic();
    const changes = this.#changes;
    try {
      const token = await getWithRetry(grant, (failure) => observer.attemptFailed(name, failure));
      // The server took longer to answer than its token lasts.
      if (!this.mayBeSent(token)) {
        throw new AuthorizationServerError('transient', 'token_expired_on_arrival');
      }
      this.#memory.forget();
      this.#grantedAt = this.#clock.monotonic();
      observer.granted(name, token, this.#grantedAt - startedAt);
      this.#share(token, turn);
      return token;
    } catch (error) {
      turn.giveUp();
      throw this.#fail(toAuthorizationServerError(error), changes);
    }
  }

  /** @param changes how often a secret had changed when the grant began: the failure of an old secret says nothing of the new one */
  #fail(failure: AuthorizationServerError, changes: number): BrokerError {
    this.#memory.remember(failure);
    const error = this.#memory.toBrokerError();
    if (changes !== this.#changes) this.#memory.forget();
    const serving = this.#held !== undefined && this.mayBeSent(this.#held.token);
    this.#parts.observer.grantFailed(this.#parts.name, failure, this.#memory.leftMs, serving);
    // A refused client is not asked again before somebody needs the token; a server in trouble is, so that the token is there when it is back.
    if (serving || failure.failureClass === 'transient') this.#schedule(this.#memory.leftMs);
    return error;
  }

  #share(token: Token, turn: Turn): void {
    const { unusableAtAge } = planLifetime(token.lifetimeMs, this.#parts.renew, 0);
    turn.share(toStored(token), Math.floor(unusableAtAge - token.ageMs(this.#clock)));
  }

  #hold(token: Token, identity: string): Token {
    const lifetime = planLifetime(token.lifetimeMs, this.#parts.renew, this.#clock.random());
    this.#held = { token, identity, ...lifetime };
    this.#schedule(lifetime.renewAtAge - token.ageMs(this.#clock));
    return token;
  }

  /** Renewal is driven by the expiry, not by traffic; only tokens that somebody uses are renewed. */
  #schedule(delayMs: number): void {
    this.#cancelTimer();
    const { renew, observer, name } = this.#parts;
    if (this.#closed || !renew.eager || renew.before === 0) return;
    this.#cancelTimer = this.#clock.after(Math.max(delayMs, renew.minInterval), () => {
      if (this.#clock.monotonic() - this.#usedAt > renew.idleAfter) return observer.idle(name);
      this.#renewAhead();
      // Timers may fire a moment early: what was put off is taken up again.
      if (!this.#flight.running) this.#schedule(this.#memory.leftMs);
    });
  }
}
