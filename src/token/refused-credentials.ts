/** Which credentials were refused, so that the same are not sent again soon and nobody's account is locked through us. */

import { BREAKER_OPEN } from '../authorization-server/breaker.ts';
import { AuthorizationServerError, toAuthorizationServerError } from '../authorization-server/failure.ts';
import type { Clock } from '../clock.ts';
import { BrokerError } from '../errors.ts';
import type { AccountId } from './account.ts';

/** The same password, and the same token or assertion: a refused one may become good, mostly when a key or a clock is put right. */
const SAME_PASSWORD_MS = 10 * 60_000;
const SAME_SUBJECT_MS = 30_000;
const MAX_REFUSED = 10_000;

/** Servers lock an account after 5 or more wrong passwords within 10 to 30 min; so some are left for its owner to mistype elsewhere. */
const WRONG_PASSWORDS = 3;
const WRONG_PASSWORDS_MS = 30 * 60_000;
const MAX_ACCOUNTS = 10_000;

/** It looks at all that is watched, and whoever makes names up could have that done with each request. */
const SWEEP_EVERY_MS = 1_000;

/** Of one account: else a hundred wrong ones would be on their way before the first is refused. */
export const ONE_BY_ONE = 1;
/** As many as may be wrong. */
export const FEW_TOGETHER = WRONG_PASSWORDS;

/** Not sent at all: too many of the same account were refused. */
export const CREDENTIALS_HELD_BACK = 'credentials_held_back';

/** Whose credentials: digests, so that nothing is kept that could be used. */
export interface CredentialsId {
  /** Absent where others see to it that the same are not sent again soon. */
  readonly credentials: string | undefined;
  /** Absent for a token or an assertion, behind which no account can be locked. */
  readonly account: AccountId | undefined;
}

interface Try {
  readonly password: string;
  /** Monotonic. */
  readonly at: number;
  /** Else nothing was said of it: a server in trouble, or one that says "wrong" with 500 or 429. */
  readonly refused: boolean;
}

interface Account {
  /** The oldest first. */
  tries: Try[];
  /** How many passwords are on their way. */
  sending: number;
  /** The first one first. */
  readonly waiting: Turn[];
  /** The password that the server took last. */
  accepted: string | undefined;
}

interface Turn {
  readonly together: () => number;
  readonly begin: () => void;
}

export class RefusedCredentials {
  readonly #clock: Clock;
  /** Until when, by the digest of the credentials. */
  readonly #refused = new Map<string, number>();
  readonly #accounts = new Map<string, Account>();
  /** Monotonic. */
  #sweptAt = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Throws what `refusal` makes where they are not to be sent now, BROKER_OVERLOADED when too many accounts are being watched. */
  admit(id: CredentialsId, refusal: (cause: unknown) => BrokerError): void {
    this.checkHeldBack(id, refusal);
    if (id.account === undefined || this.#accounts.has(id.account.name) || this.#accounts.size < MAX_ACCOUNTS) return;
    if (this.#clock.monotonic() - this.#sweptAt >= SWEEP_EVERY_MS) this.sweep();
    // Forgetting one that counts would let its guesses begin anew.
    if (this.#accounts.size >= MAX_ACCOUNTS) {
      throw new BrokerError('BROKER_OVERLOADED', 'the credentials of too many users were refused lately; try again later', {
        stage: 'token',
        retryAfterSeconds: 60,
      });
    }
  }

  /** Throws what `refusal` makes where they are not to be sent now. */
  checkHeldBack(id: CredentialsId, refusal: (cause: unknown) => BrokerError): void {
    if (this.#holdsBack(id)) throw refusal(heldBack());
  }

  /**
   * Sends credentials, in turn with others of the same account, and remembers a refusal. Rejects without sending when they are held
   * back by then.
   *
   * @param accepted they were good before: sending them is no guess, so neither other people's guesses nor the turn hold them up
   * @param refuses whether a failure is about the credentials
   * @param together how many of the account may be on their way with it, told when its turn may have come
   */
  async send<Result>(
    id: CredentialsId,
    accepted: boolean,
    attempt: () => Promise<Result>,
    refuses: (failure: AuthorizationServerError) => boolean,
    together = () => ONE_BY_ONE,
  ): Promise<Result> {
    const sent = () =>
      this.#try(id, attempt, (failure) => {
        if (refuses(failure) || (!accepted && failure.resourceOwnerInDoubt)) this.#remember(id);
        else if (!accepted && isUnjudged(failure)) this.#count(id, false);
      });
    if (id.account === undefined || accepted) return sent();
    const account = this.#accountOf(id.account.name);
    await this.#turn(account, together);
    try {
      if (this.#holdsBack(id)) throw heldBack();
      return await sent();
    } finally {
      account.sending -= 1;
      this.#begin(account);
    }
  }

  /** Within a try: whether the password, which may have been refused just now, may go out once more. It counts as one that was. */
  mayRepeat(id: CredentialsId): boolean {
    this.#count(id, true);
    const beside = (id.account === undefined ? 0 : this.#accountOf(id.account.name).sending) - 1;
    return !this.#holdsBack(id, Math.max(0, beside));
  }

  /** What counted of this password counts no more: it was right, so that it was no guess, or somebody who knows asks for it again. */
  forgive({ account: id }: CredentialsId): void {
    const account = id && this.#accounts.get(id.name);
    if (account !== undefined) account.tries = account.tries.filter(({ password }) => password !== id?.password);
  }

  /** Whether this password is the one that the server took last, and has not refused since. */
  isAccepted({ account: id }: CredentialsId): boolean {
    return id !== undefined && this.#accounts.get(id.name)?.accepted === id.password;
  }

  /** Drops what does not count any more. */
  sweep(): void {
    const now = this.#clock.monotonic();
    this.#sweptAt = now;
    for (const [credentials, until] of this.#refused) if (until <= now) this.#refused.delete(credentials);
    for (const [name, account] of this.#accounts)
      if (account.sending === 0 && this.#recent(account).length === 0) this.#accounts.delete(name);
  }

  #turn(account: Account, together: () => number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    account.waiting.push({ together, begin: resolve });
    this.#begin(account);
    return promise;
  }

  /** Each that is on its way may be refused, so those that were count too. */
  #begin(account: Account): void {
    const refused = this.#recent(account).length;
    for (let [next] = account.waiting; next !== undefined; [next] = account.waiting) {
      if (account.sending > 0 && account.sending + refused >= next.together()) return;
      account.waiting.shift();
      account.sending += 1;
      next.begin();
    }
  }

  /** @param beside how many more may be refused meanwhile */
  #holdsBack({ credentials, account }: CredentialsId, beside = 0): boolean {
    const now = this.#clock.monotonic();
    if (credentials !== undefined && (this.#refused.get(credentials) ?? now) > now) return true;
    const known = account && this.#accounts.get(account.name);
    if (known === undefined) return false;
    // One that nothing was said of does not count against itself: whoever has the right one gets in when an outage is over.
    const others = this.#recent(known).filter(({ password, refused }) => refused || password !== account?.password);
    return others.length + beside >= WRONG_PASSWORDS;
  }

  async #try<Result>(
    id: CredentialsId,
    attempt: () => Promise<Result>,
    failed: (failure: AuthorizationServerError) => void,
  ): Promise<Result> {
    try {
      const result = await attempt();
      this.forgive(id);
      const account = id.account && this.#accounts.get(id.account.name);
      if (account !== undefined) account.accepted = id.account?.password;
      return result;
    } catch (error) {
      failed(toAuthorizationServerError(error));
      throw error;
    }
  }

  #remember(id: CredentialsId): void {
    this.#count(id, true);
    if (id.credentials === undefined) return;
    const until = this.#clock.monotonic() + (id.account === undefined ? SAME_SUBJECT_MS : SAME_PASSWORD_MS);
    if (this.#refused.size >= MAX_REFUSED) this.#refused.delete(this.#refused.keys().next().value as string);
    this.#refused.set(id.credentials, until);
  }

  #count({ account: id }: CredentialsId, refused: boolean): void {
    if (id === undefined) return;
    const { name, password } = id;
    const account = this.#accountOf(name);
    const others = account.tries.filter((each) => each.refused || each.password !== password);
    account.tries = [...others, { password, at: this.#clock.monotonic(), refused }];
    if (refused && account.accepted === password) account.accepted = undefined;
  }

  #accountOf(name: string): Account {
    const known = this.#accounts.get(name);
    if (known !== undefined) return known;
    const account: Account = { tries: [], sending: 0, waiting: [], accepted: undefined };
    this.#accounts.set(name, account);
    return account;
  }

  /** What counts still. */
  #recent(account: Account): readonly Try[] {
    const from = this.#clock.monotonic() - WRONG_PASSWORDS_MS;
    account.tries = account.tries.filter(({ at }) => at > from);
    return account.tries;
  }
}

/** Sent, or begun to be, without a verdict. While the breaker is open nothing is: an outage costs nobody any tries. */
function isUnjudged({ failureClass, reason }: AuthorizationServerError): boolean {
  return failureClass === 'transient' && reason !== BREAKER_OPEN;
}

function heldBack(): AuthorizationServerError {
  return new AuthorizationServerError('permanent', CREDENTIALS_HELD_BACK);
}
