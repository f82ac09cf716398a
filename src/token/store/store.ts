/** Where replicas share tokens. */

/** A token as it stands in a store. */
export interface StoredToken {
  readonly value: string;
  /** Wall clock of the replica that asked for it, milliseconds since the epoch. */
  readonly requestedAt: number;
  readonly lifetimeMs: number;
  readonly scope?: string | undefined;
  readonly upstreamOrigin?: string | undefined;
}

/** Never rejects: a store's trouble means a turn at once, and the store tells its observer. */
export interface TokenStore {
  /**
   * A token that is `wanted`, as soon as there is one, or else the turn to ask for it. While the store works, one replica has the turn
   * and the others wait for what it gets, for a few seconds; a turn is a favour to the authorization server, and nothing depends on it.
   *
   * @param identity the token's digest
   */
  obtain(identity: string, wanted: (token: StoredToken) => boolean): Promise<StoredToken | Turn>;
  /** Where the tokens of this replica outlive it: what it holds and has not obtained through this store. */
  keep?(identity: string, token: StoredToken): void;
  /** Takes out what stands there, whoever shared it, and nothing newer. */
  remove(identity: string): Promise<void>;
  /** What `before`, of the config before, holds and will still be given goes on here, where it is the same place. */
  follow?(before: TokenStore): void;
  close(): Promise<void>;
}

/** Ends by exactly one call. */
export interface Turn {
  /**
   * Gives the others what was obtained, unless one of them has shared another since the turn began.
   *
   * @param ttlMs how long it may be kept, milliseconds
   */
  share(token: StoredToken, ttlMs: number): void;
  /** Nothing was obtained: nobody need wait for it. */
  giveUp(): void;
}

export function isTurn(found: StoredToken | Turn): found is Turn {
  return 'giveUp' in found;
}

/** For a single replica. */
export const noStore: TokenStore = {
  obtain: () => Promise.resolve(ownTurn),
  remove: () => Promise.resolve(),
  close: () => Promise.resolve(),
};

const ownTurn: Turn = { share: () => undefined, giveUp: () => undefined };
