/** One token of a replica, through its configs, whose authorization server the test plays; it keeps count of what must never be. */

import type { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { token as tokenSchema } from '../../src/config/schema/tokens.ts';
import { CachedToken } from '../../src/token/cached.ts';
import { isSendable } from '../../src/token/renewal.ts';
import { Token } from '../../src/token/token.ts';
import { UNOBSERVED } from '../../src/token/unobserved.ts';
import type { FakeClock } from './fake-clock.ts';
import type { MemoryStore } from './memory-store.ts';

const WAIT_MS = 10_000;

const RENEW = tokenSchema.parse({
  authorizationServer: 'as',
  grant: 'client_credentials',
  clientId: 'c',
  clientAuthentication: { secret: { unsafeInline: 's' } },
  renew: { minInterval: '1s', idleAfter: '10m' },
}).renew;

/** What replicas have in common. */
export interface Surroundings {
  readonly clock: FakeClock;
  readonly store: MemoryStore;
  /** The values of all tokens that were asked for. */
  readonly asked: string[];
}

/** One replica, through its configs. */
export class Replica {
  readonly #clock: FakeClock;
  readonly #discard: () => Promise<void>;
  readonly #store: MemoryStore;
  readonly #name: string;
  /** Grants on their way. */
  readonly pending: { settle(outcome: number | AuthorizationServerError): void }[] = [];
  /** Who waits, and since when. */
  readonly waiting = new Set<{ readonly sinceMs: number }>();
  readonly problems: string[] = [];
  /** What the last purge was about. */
  #purged = new Set<string>();
  /** By whatever replica. */
  readonly #asked: string[];
  current: CachedToken;
  last: Token | undefined;

  constructor(name: string, { clock, store, asked }: Surroundings) {
    this.#asked = asked;
    this.#name = name;
    this.#clock = clock;
    this.#store = store;
    this.#discard = () => store.remove('identity');
    this.current = this.#create();
  }

  #create(): CachedToken {
    const clock = this.#clock;
    return new CachedToken({
      name: 'orders',
      identity: 'identity',
      grant: { get: () => this.#ask() },
      renew: RENEW,
      store: this.#store,
      discard: this.#discard,
      observer: UNOBSERVED.observer,
      clock,
    });
  }

  #ask(): Promise<Token> {
    const clock = this.#clock;
    const value = `${this.#name}${this.#asked.length}`;
    this.#asked.push(value);
    const requestedAt = clock.now();
    const { promise, resolve, reject } = Promise.withResolvers<Token>();
    const token = (lifetimeMs: number) => new Token({ value, requestedAt, lifetimeMs, scope: undefined }, clock);
    const grant = {
      settle: (outcome: number | AuthorizationServerError) => {
        this.pending.splice(this.pending.indexOf(grant), 1);
        if (typeof outcome === 'number') resolve(token(outcome));
        else reject(outcome);
      },
    };
    this.pending.push(grant);
    if (this.pending.length > 1) this.problems.push('two grants at once');
    return promise;
  }

  #given(token: Token, how: string, purged: ReadonlySet<string>): void {
    this.last = token;
    if (!isSendable(token, RENEW, this.#clock)) this.problems.push(`${how} gave ${token.reveal()} at its end`);
    if (purged.has(token.reveal())) this.problems.push(`${how} gave ${token.reveal()}, which had been purged`);
  }

  get(how: 'get' | 'renew'): void {
    const waiter = { sinceMs: this.#clock.monotonic() };
    const purged = this.#purged;
    this.waiting.add(waiter);
    void this.current[how]()
      .then((token) => this.#given(token, how, purged))
      .catch((error: { code?: string }) => {
        if (!String(error.code).startsWith('TOKEN_')) this.problems.push(`${how} threw ${error}`);
      })
      .finally(() => this.waiting.delete(waiter));
  }

  peek(): void {
    const token = this.current.peek();
    if (token !== undefined) this.#given(token, 'peek', this.#purged);
  }

  refuse(): void {
    const refused = this.last;
    if (refused === undefined) return;
    const purged = this.#purged;
    void this.current.replace(refused).then((token) => {
      if (token === undefined) return;
      if (token.reveal() === refused.reveal()) this.problems.push('the refused token again');
      this.#given(token, 'replace', purged);
    });
  }

  purge(): void {
    this.#purged = new Set(this.#asked);
    void this.current.purge();
  }

  reload(): void {
    const next = this.#create();
    next.takeOver(this.current);
    this.current = next;
  }

  answerAll(lifetimeMs: number): void {
    while (this.pending.length > 0) this.pending[0]?.settle(lifetimeMs);
  }

  check(): void {
    for (const { sinceMs } of this.waiting)
      if (this.#clock.monotonic() - sinceMs > WAIT_MS) this.problems.push('somebody waits for longer than 10 s');
  }
}
