/** The tokens of one entry of the config that are made from callers' own credentials: each caller's kept apart, bounded in number. */

import { BREAKER_OPEN } from '../../authorization-server/breaker.ts';
import { AuthorizationServerError } from '../../authorization-server/failure.ts';
import type { Clock } from '../../clock.ts';
import type { RenewConfig, TokenConfig } from '../../config/schema/tokens.ts';
import { BrokerError } from '../../errors.ts';
import { accountId } from '../account.ts';
import { CachedToken } from '../cached.ts';
import type { KeyedDigest } from '../keyed-digest.ts';
import type { TokenObserver } from '../observer.ts';
import type { ObtainingParts } from '../obtaining.ts';
import type { RefusedAtServer } from '../refused-at-server.ts';
import type { CredentialsId } from '../refused-credentials.ts';
import { isSendable } from '../renewal.ts';
import type { Token } from '../token.ts';
import { CallerToken } from './caller-token.ts';
import { CREDENTIALS_ENDED, credentialsEndAt, type OwnCredentials, refusesCredentials } from './own-credentials.ts';

const DEFAULT_MAX_CALLERS = 1_000;

/** Of one caller, with the same credentials. */
const MAX_PLACES = 16;

export interface CallerTokensParts {
  readonly name: string;
  readonly config: TokenConfig;
  /** The token of one caller, which ends no later than `endsAt`. */
  readonly createGrant: (
    credentials: OwnCredentials,
    endsAt: number,
    mayRepeat: () => boolean,
  ) => Pick<ObtainingParts, 'identity' | 'grant' | 'discard'>;
  readonly digest: KeyedDigest;
  readonly refused: RefusedAtServer;
  readonly observer: TokenObserver;
  readonly clock: Clock;
}

/** What all requests with the same credentials share. */
interface Kept {
  readonly cached: CachedToken;
  /** When the credentials end: wall clock. */
  readonly endsAt: number;
  /** Addresses that have brought them. */
  readonly places: Set<string>;
  /** Monotonic. */
  usedAt: number;
}

export class CallerTokens {
  readonly #parts: CallerTokensParts;
  readonly #renew: RenewConfig;
  readonly #maxCallers: number;
  /** By a digest of the credentials. */
  readonly #tokens = new Map<string, Kept>();
  readonly #refuses: (failure: AuthorizationServerError) => boolean;
  #cancelSweep: (() => void) | undefined;
  /** It was said that the server is left alone, and nothing else has happened since. */
  #saidLeftAlone = false;

  constructor(parts: CallerTokensParts) {
    this.#parts = parts;
    // A caller's credentials are never used but for a request of this caller.
    this.#renew = { ...parts.config.renew, eager: false };
    this.#maxCallers = ('maxCallers' in parts.config ? parts.config.maxCallers : undefined) ?? DEFAULT_MAX_CALLERS;
    this.#refuses = refusesCredentials(parts.config);
  }

  get name(): string {
    return this.#parts.name;
  }

  get callers(): number {
    return this.#tokens.size;
  }

  get waiting(): number {
    return [...this.#tokens.values()].reduce((sum, { cached }) => sum + cached.waiting, 0);
  }

  /**
   * The token of these credentials for one request; everybody who brings the same has the same one. Throws CALLER_UNAUTHENTICATED where
   * they have ended or were refused a while ago, BROKER_OVERLOADED where callers are waiting for all tokens that may be kept, or for half
   * of them while the others are good.
   *
   * @param from the address of who brings them
   */
  of(credentials: OwnCredentials, from = ''): CallerToken {
    const { name, config, clock, digest, refused } = this.#parts;
    const key = digest(name, credentials.username ?? null, credentials.secret);
    const known = this.#tokens.get(key);
    const endsAt = known?.endsAt ?? credentialsEndAt(config, credentials);
    if (endsAt <= clock.now()) throw credentials.refusal(new AuthorizationServerError('permanent', CREDENTIALS_ENDED));
    // While guesses at an account are held back, whether one is right is not told by its token either, but to where that was before.
    if (known?.places.has(from) === false && credentials.username !== undefined)
      refused.known?.checkHeldBack(this.#idOf(key, credentials), credentials.refusal);
    const kept = known ?? this.#add(key, credentials, endsAt);
    if (kept.places.size < MAX_PLACES) kept.places.add(from);
    kept.usedAt = clock.monotonic();
    return new CallerToken(kept.cached, (error) => (this.#isRefusal(error) ? credentials.refusal((error as Error).cause) : error));
  }

  /** See `CachedToken`. */
  mayBeSent(token: Token): boolean {
    return isSendable(token, this.#renew, this.#parts.clock);
  }

  secretChanged(): void {
    for (const { cached } of this.#tokens.values()) cached.secretChanged();
  }

  /** See `CachedToken`. What is remembered of refused credentials stays: it protects accounts. */
  async purge(): Promise<void> {
    await Promise.all([...this.#tokens.values()].map(({ cached }) => cached.purge()));
  }

  close(): void {
    this.#cancelSweep?.();
    for (const { cached } of this.#tokens.values()) cached.close();
  }

  #idOf(key: string, { username, secret }: OwnCredentials): CredentialsId {
    return { credentials: key, account: username === undefined ? undefined : accountId(username, secret, this.#parts.digest) };
  }

  #add(key: string, credentials: OwnCredentials, endsAt: number): Kept {
    const { name, clock, refused, createGrant } = this.#parts;
    const id = this.#idOf(key, credentials);
    refused.known?.admit(id, credentials.refusal);
    if (this.#tokens.size >= this.#maxCallers) this.#makeRoom();
    const made = createGrant(credentials, endsAt, () => refused.known?.mayRepeat(id) ?? false);
    /** Whether the server took them the last time. */
    let accepted = false;
    const cached = new CachedToken({
      name,
      get identity() {
        return made.identity;
      },
      grant: { get: async () => (await refused.find()).send(id, accepted, () => made.grant.get(), this.#refuses) },
      renew: this.#renew,
      // What others could read there would not be theirs.
      store: undefined,
      discard: made.discard,
      observer: this.#observe(
        () => {
          accepted = true;
        },
        (serving) => {
          accepted = false;
          // Refused credentials are remembered elsewhere; they take no place here.
          if (!serving) this.#drop(key, kept);
        },
      ),
      clock,
    });
    const kept: Kept = { cached, endsAt, places: new Set(), usedAt: clock.monotonic() };
    this.#tokens.set(key, kept);
    this.#sweepLater();
    return kept;
  }

  #observe(accepted: () => void, refused: (serving: boolean) => void): TokenObserver {
    const { observer } = this.#parts;
    return {
      ...observer,
      granted: (name, token, ms) => {
        this.#saidLeftAlone = false;
        accepted();
        observer.granted(name, token, ms);
      },
      grantFailed: (name, failure, outcome) => {
        const leftAlone = failure.reason === BREAKER_OPEN;
        // A line for each of a thousand callers would say the same, and hide the one that has the reason.
        if (leftAlone && this.#saidLeftAlone) return;
        this.#saidLeftAlone = leftAlone;
        if (!this.#refuses(failure)) return observer.grantFailed(name, failure, outcome);
        refused(outcome.serving);
        observer.credentialsRefused(name, failure);
      },
    };
  }

  #isRefusal(error: unknown): boolean {
    const cause = error instanceof BrokerError ? error.cause : undefined;
    return cause instanceof AuthorizationServerError && this.#refuses(cause);
  }

  /** What holds no token gives way first, then the least recently used; never one that somebody waits for. */
  #makeRoom(): void {
    const idle = [...this.#tokens].filter(([, kept]) => kept.cached.waiting === 0);
    const unusable = idle.filter(([, kept]) => !isUsable(kept));
    // Half of the places are of callers whom the server has taken: with guesses that it takes long to refuse, anybody could have them all.
    const unproven = [...this.#tokens.values()].filter((kept) => !isUsable(kept)).length;
    const usable = unproven * 2 < this.#maxCallers ? idle : [];
    const [first, ...others] = unusable.length > 0 ? unusable : usable;
    if (first === undefined) {
      throw new BrokerError('BROKER_OVERLOADED', 'too many callers are waiting for tokens of their own; try again later', {
        stage: 'token',
        retryAfterSeconds: 1,
      });
    }
    this.#drop(...others.reduce((least, other) => (other[1].usedAt < least[1].usedAt ? other : least), first));
  }

  #drop(key: string, kept: Kept): void {
    kept.cached.close();
    if (this.#tokens.get(key) === kept) this.#tokens.delete(key);
  }

  /** Credentials of callers who have gone do not stay in memory. */
  #sweepLater(): void {
    const { clock, refused } = this.#parts;
    this.#cancelSweep ??= clock.after(this.#renew.idleAfter, () => {
      this.#cancelSweep = undefined;
      const from = clock.monotonic() - this.#renew.idleAfter;
      for (const [key, kept] of this.#tokens) if (kept.usedAt <= from && kept.cached.waiting === 0) this.#drop(key, kept);
      refused.known?.sweep();
      if (this.#tokens.size > 0) this.#sweepLater();
    });
  }
}

function isUsable({ cached }: Kept): boolean {
  const { state } = cached.status();
  return state === 'fresh' || state === 'renewing';
}
