/** Which credentials of callers were refused, so that the same are not sent again soon and nobody's account is locked through us. */

import { AuthorizationServerError, toAuthorizationServerError } from '../../authorization-server/failure.ts';
import type { Clock } from '../../clock.ts';
import { BrokerError } from '../../errors.ts';
import { CREDENTIALS_HELD_BACK } from './own-credentials.ts';

/** The same password, and the same token or assertion: a refused one may become good, mostly when a key or a clock is put right. */
const SAME_PASSWORD_MS = 10 * 60_000;
const SAME_SUBJECT_MS = 30_000;
const MAX_REFUSED = 10_000;

/** Servers lock an account after 5 or more wrong passwords within 10 to 30 min; so some are left for its owner to mistype elsewhere. */
const WRONG_PASSWORDS = 3;
const WRONG_PASSWORDS_MS = 30 * 60_000;
const MAX_ACCOUNTS = 10_000;

/** Whose credentials: digests, so that nothing is kept that could be used. */
export interface CredentialsId {
  readonly credentials: string;
  /** Of the user name; absent for a token or an assertion, behind which no account can be locked. */
  readonly account: string | undefined;
}

interface Account {
  /** Monotonic, the oldest first. */
  refusedAt: number[];
  /** Passwords of one account go one after the other: else a hundred wrong ones would be on their way before the first is refused. */
  turn: Promise<unknown>;
  queued: number;
}

export class RefusedCredentials {
  readonly #clock: Clock;
  /** Until when, by the digest of the credentials. */
  readonly #refused = new Map<string, number>();
  readonly #accounts = new Map<string, Account>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws what `refusal` makes where they are not to be sent now, BROKER_OVERLOADED when too many accounts are being watched. */
  admit(id: CredentialsId, refusal: (cause: unknown) => BrokerError): void {
    if (this.#holdsBack(id)) throw refusal(heldBack());
    if (id.account === undefined || this.#accounts.has(id.account) || this.#accounts.size < MAX_ACCOUNTS) return;
    this.sweep();
    // Forgetting one that counts would let its guesses begin anew.
    if (this.#accounts.size >= MAX_ACCOUNTS) {
      throw new BrokerError('BROKER_OVERLOADED', 'the credentials of too many users were refused lately; try again later', {
        stage: 'token',
        retryAfterSeconds: 60,
      });
    }
  }

  /**
   * Sends credentials, in turn with others of the same account, and remembers a refusal. Rejects without sending when they are held
   * back by then.
   *
   * @param accepted they were good before: sending them is no guess, so neither other people's guesses nor the turn hold them up
   * @param refuses whether a failure is about the credentials
   */
  async send<Result>(
    id: CredentialsId,
    accepted: boolean,
    attempt: () => Promise<Result>,
    refuses: (failure: AuthorizationServerError) => boolean,
  ): Promise<Result> {
    const counts = (failure: AuthorizationServerError) => refuses(failure) || (!accepted && failure.resourceOwnerInDoubt);
    const sent = () => this.#try(id, attempt, counts);
    if (id.account === undefined || accepted) return sent();
    const account = this.#accountOf(id.account);
    account.queued += 1;
    const turn = account.turn.then(() => {
      if (this.#holdsBack(id)) throw heldBack();
      return sent();
    });
    account.turn = turn.catch(() => undefined);
    try {
      return await turn;
    } finally {
      account.queued -= 1;
    }
  }

  /** Drops what does not count any more. */
  sweep(): void {
    const now = this.#clock.monotonic();
    for (const [credentials, until] of this.#refused) if (until <= now) this.#refused.delete(credentials);
    for (const [name, account] of this.#accounts) if (account.queued === 0 && this.#recent(account) === 0) this.#accounts.delete(name);
  }

  #holdsBack({ credentials, account }: CredentialsId): boolean {
    const now = this.#clock.monotonic();
    if ((this.#refused.get(credentials) ?? now) > now) return true;
    const known = account === undefined ? undefined : this.#accounts.get(account);
    return known !== undefined && this.#recent(known) >= WRONG_PASSWORDS;
  }

  async #try<Result>(
    id: CredentialsId,
    attempt: () => Promise<Result>,
    counts: (failure: AuthorizationServerError) => boolean,
  ): Promise<Result> {
    try {
      return await attempt();
    } catch (error) {
      if (counts(toAuthorizationServerError(error))) this.#remember(id);
      throw error;
    }
  }

  #remember({ credentials, account }: CredentialsId): void {
    const now = this.#clock.monotonic();
    if (this.#refused.size >= MAX_REFUSED) this.#refused.delete(this.#refused.keys().next().value as string);
    this.#refused.set(credentials, now + (account === undefined ? SAME_SUBJECT_MS : SAME_PASSWORD_MS));
    if (account !== undefined) this.#accountOf(account).refusedAt.push(now);
  }

  #accountOf(name: string): Account {
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    const account: Account = { refusedAt: [], turn: Promise.resolve(), queued: 0 };
    this.#accounts.set(name, account);
    return account;
  }

  #recent(account: Account): number {
    const from = this.#clock.monotonic() - WRONG_PASSWORDS_MS;
    if ((account.refusedAt[0] ?? from + 1) <= from) account.refusedAt = account.refusedAt.filter((at) => at > from);
    return account.refusedAt.length;
  }
}

function heldBack(): AuthorizationServerError {
  return new AuthorizationServerError('permanent', CREDENTIALS_HELD_BACK);
}
