/** Where replicas share tokens. */

/** A token as it stands in a store. */
export interface StoredToken {
  readonly value: string;
  /** Wall clock of the replica that asked for it, milliseconds since the epoch. */
  readonly requestedAt: number;
  readonly lifetimeMs: number;
  readonly scope?: string | undefined;
}

/** Never rejects: a store's trouble is a miss (`read`) or nothing (`write`), and it tells its observer. */
export interface TokenStore {
  /** @param identity the token's digest */
  read(identity: string): Promise<StoredToken | undefined>;
  /** @param ttlMs how long the entry may be kept, milliseconds */
  write(identity: string, token: StoredToken, ttlMs: number): Promise<void>;
  close(): Promise<void>;
}
