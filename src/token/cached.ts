/** Serves a fresh token from memory, renews it ahead of its end, has one obtained when there is none. */

import type { AuthorizationServerError } from '../authorization-server/failure.ts';
import type { Clock } from '../clock.ts';
import { Obtaining, type ObtainingParts, type Serves } from './obtaining.ts';
import { Refusals, type RefusedSource } from './refusals.ts';
import { type Lifetime, planLifetime, sendableMs } from './renewal.ts';
import { RenewalTimer } from './renewal-timer.ts';
import { SingleFlight } from './single-flight.ts';
import type { TokenSource, Waiter } from './source.ts';
import { toStored } from './stored.ts';
import type { Token } from './token.ts';
import { atHand, type TokenStatus } from './token-status.ts';

interface Held extends Lifetime {
  readonly token: Token;
  readonly identity: string;
}

/** One token of the config: at most one grant in flight, whoever asks. */
export class CachedToken implements TokenSource, RefusedSource {
  readonly #parts: ObtainingParts;
  readonly #clock: Clock;
  readonly #flight: SingleFlight<Token>;
  readonly #obtaining: Obtaining;
  readonly #refusals: Refusals;
  #held: Held | undefined;
  #usedAt: number;
  readonly #timer: RenewalTimer;
  #closed = false;
  /** While a grant is on its way for the same token under a config before. */
  #before: { readonly source: CachedToken; readonly arrived: Promise<void> } | undefined;
  /** The same token under the config that has followed. */
  #next: CachedToken | undefined;

  constructor(parts: ObtainingParts) {
    this.#parts = parts;
    this.#clock = parts.clock;
    this.#flight = new SingleFlight(parts.clock);
    this.#timer = new RenewalTimer(parts.clock, () => this.#due());
    this.#obtaining = new Obtaining(parts, {
      serving: () => this.#serving(),
      hold: (token, identity) => this.#hold(token, identity),
      failed: (failure) => this.#failed(failure),
    });
    this.#refusals = new Refusals(this, parts.clock, parts.renew.minInterval);
    this.#usedAt = parts.clock.monotonic();
  }

  get name(): string {
    return this.#parts.name;
  }

  /** See `tokenIdentity`. */
  get identity(): string {
    return this.#parts.identity;
  }

  /** Requests that wait for it. */
  get waiting(): number {
    return this.#flight.waiting;
  }

  /** @param forMs for how long it must be good still */
  peek(forMs = 0): Token | undefined {
    const held = this.#held;
    if (held === undefined) return undefined;
    const ageMs = held.token.ageMs(this.#clock);
    if (ageMs >= held.unusableAtAge - forMs) return undefined;
    this.#usedAt = this.#clock.monotonic();
    if (ageMs >= held.renewAtAge) this.#renewAhead();
    return held.token;
  }

  /** @param forMs for how long the one at hand must be good still; a new one may be shorter */
  async get(waiter?: Waiter, forMs = 0): Promise<Token> {
    const usable = this.peek(forMs);
    if (usable !== undefined) return usable;
    this.#usedAt = this.#clock.monotonic();
    const { failures } = this.#obtaining;
    if (failures.leftMs > 0) throw failures.toBrokerError();
    return this.#flight.wait(this.#obtain(), waiter);
  }

  /** Whether this token, given out a while ago, is still outside its hard margin. */
  mayBeSent(token: Token): boolean {
    return this.sendableMs(token) > 0;
  }

  /** For how long it is. */
  sendableMs(token: Token): number {
    return sendableMs(token, this.#parts.renew, this.#clock);
  }

  /**
   * An upstream refused `token`: another one, from memory, the store or a new grant, or `undefined` when there is none to be had. A
   * thousand callers with the same refused token cost one grant, and a token that was renewed a moment ago none at all.
   */
  replace(token: Token): Promise<Token | undefined> {
    return this.#refusals.replace(token);
  }

  /** For `replace`, which knows when asking for another is a waste. */
  other(refused: Token, mayBegin: () => boolean): Promise<Token> | undefined {
    if (!this.#flight.running && (this.#closed || this.#obtaining.failures.leftMs > 0 || !mayBegin())) return undefined;
    return this.#flight.wait(this.#obtain((stored) => stored.value !== refused.reveal()));
  }

  /** The other one was refused as well. */
  refusedAgain(): void {
    this.#refusals.refusedAgain();
  }

  /**
   * Forced: a new grant now, or the one in flight, whatever failure is remembered and whatever the store holds. The token at hand
   * serves until it succeeds. Rejects like `get`.
   */
  renew(): Promise<Token> {
    this.#obtaining.forgive();
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
    this.#purged();
    this.#timer.cancel();
    await this.#parts.discard(held?.token, this.#parts.identity);
  }

  /** A changed secret deserves another try at once. Where it says whose token this is, the one at hand is somebody else's now. */
  secretChanged(): void {
    this.#obtaining.secretChanged();
    if (this.#held !== undefined && this.#held.identity !== this.#parts.identity) this.#held = undefined;
  }

  /** For `/readyz`, `/metrics` and `/status`; does not count as a use. */
  status(): TokenStatus {
    return {
      ...atHand(this.#held, this.#clock),
      waiting: this.waiting,
      obtaining: this.#flight.running,
      renewsInMs: this.#timer.dueInMs,
      lastFailure: this.#obtaining.failures.last,
    };
  }

  /** The same token under the config before: what it holds, or is about to, is held and renewed here from now on. */
  takeOver(before: CachedToken): void {
    before.retire();
    before.#next = this;
    this.#usedAt = before.#usedAt;
    this.#inherit(before);
    const asking = before.#before?.source ?? before;
    if (!asking.#flight.running) return this.#keepRefreshToken(before);
    const arrived = asking.#flight.settled().then(() => {
      this.#before = undefined;
      if (this.#next !== undefined) return;
      this.#inherit(asking);
      this.#keepRefreshToken(asking);
    });
    this.#before = { source: asking, arrived };
  }

  /** Resolves when no grant of its own is on its way any more, whatever came of it. */
  async settled(): Promise<void> {
    if (this.#before === undefined) await this.#flight.settled();
  }

  /** Stops renewing; who needs it still has it obtained. */
  retire(): void {
    this.#closed = true;
    this.#timer.cancel();
  }

  /** Stops renewing and trying again; what waits is answered still. */
  close(): void {
    this.retire();
    this.#obtaining.close();
  }

  #serving(): boolean {
    return this.#held !== undefined && this.mayBeSent(this.#held.token);
  }

  #renewAhead(): void {
    const { tooSoon, failures } = this.#obtaining;
    if (this.#closed || tooSoon || failures.leftMs > 0) return;
    void this.#obtain();
  }

  #obtain(serves?: Serves): Promise<Token> {
    return this.#flight.start(async () => (await this.#fromBefore(serves)) ?? this.#obtaining.obtain(serves));
  }

  /** One grant in flight for each token, also while the config changes, and changes again: where another is needed, the newest asks. */
  async #fromBefore(serves: Serves = () => true): Promise<Token | undefined> {
    if (this.#before === undefined) return undefined;
    await this.#before.arrived;
    if (this.#next !== undefined) return this.#next.#freshOrObtained(serves);
    return this.#fresh(serves);
  }

  #freshOrObtained(serves: Serves): Token | Promise<Token> {
    if (this.#next !== undefined) return this.#next.#freshOrObtained(serves);
    return this.#fresh(serves) ?? this.#obtain(serves);
  }

  #fresh(serves: Serves): Token | undefined {
    const held = this.#held;
    const isFresh = held !== undefined && held.token.ageMs(this.#clock) < held.renewAtAge;
    return isFresh && serves(toStored(held.token)) ? held.token : undefined;
  }

  /** Whatever config it is on its way under. */
  #purged(): void {
    this.#obtaining.purged();
    if (this.#before !== undefined) this.#before.source.#purged();
  }

  #keepRefreshToken(before: CachedToken): void {
    this.#parts.grant.keep?.(before.#parts.grant.kept?.());
  }

  #inherit(before: CachedToken): void {
    const held = before.#held;
    before.#held = undefined;
    const { identity, store } = this.#parts;
    if (held === undefined || held.identity !== identity) return;
    // Its end is planned anew: how it is renewed may have changed.
    this.#hold(held.token, identity);
    // A store that is new, or seals with another key, has nothing of it.
    store?.keep?.(identity, toStored(held.token));
  }

  /** A refused client is not asked again before somebody needs the token; a server in trouble is, so that the token is there when it is back. */
  #failed(failure: AuthorizationServerError): void {
    if (this.#serving() || failure.failureClass === 'transient') this.#schedule(this.#obtaining.failures.leftMs);
  }

  #hold(token: Token, identity: string): Token {
    const { renew } = this.#parts;
    const lifetime = planLifetime(token.lifetimeMs, renew, this.#clock.random());
    this.#held = { token, identity, ...lifetime };
    this.#schedule(lifetime.renewAtAge - token.ageMs(this.#clock));
    return token;
  }

  /** Renewal is driven by the expiry, not by traffic; only tokens that somebody uses are renewed. */
  #schedule(delayMs: number): void {
    const { eager, before, minInterval } = this.#parts.renew;
    if (!this.#closed && eager && before !== 0) this.#timer.set(Math.max(delayMs, minInterval));
  }

  #due(): void {
    const { renew, observer, name } = this.#parts;
    if (this.#clock.monotonic() - this.#usedAt > renew.idleAfter) return observer.idle(name);
    this.#renewAhead();
    // Timers may fire a moment early: what was put off is taken up again.
    if (!this.#flight.running) this.#schedule(this.#obtaining.failures.leftMs);
  }
}
