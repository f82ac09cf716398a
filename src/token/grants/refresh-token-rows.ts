/**
 * Refresh tokens, each of which came of the one before: whoever redeems one, under whatever name and config, must know the last of its
 * row, since a server may take the use of an earlier one for theft (RFC 9700 §4.14.2).
 */

import { hash } from 'node:crypto';
import { AuthorizationServerError } from '../../authorization-server/failure.ts';

export class RefreshTokenRow {
  /** Digest of the first, which is the one in the config. */
  readonly of: string;
  /** The last; `undefined` while it is the first. */
  latest: string | undefined;
  /** What stood in a file, by its path, when that was last read or written: anything else was written by another broker, and is newer. */
  readonly seen = new Map<string, string>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(of: string) {
    this.of = of;
  }

  /** One after the other: each must know what the one before has led to. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(work);
    this.#turn = done.catch(() => undefined);
    return done;
  }
}

/** By holder, which row it is of. */
type Named = Map<object, string>;

/** Rows of no config any more: a config, or the file of a secret, may go back to one of them. */
const MOST_LEFT = 100;

/** Those of one config, among those of the configs before and after it. */
export class RefreshTokenRows {
  readonly #named: Named = new Map();
  /** Rows by whose token it is, and its first, the one asked for last at the end; and what each config that may still be asked names. */
  #all = { rows: new Map<string, RefreshTokenRow>(), named: new Set([this.#named]) };
  readonly #onFollow: (() => void)[] = [];
  /** What redeems one under this config. */
  readonly #begun = new Set<Promise<unknown>>();
  #finished = false;

  /**
   * @param holder who redeems it; the row that it was of before may be forgotten
   * @param owner the client, and the server
   */
  rowOf(holder: object, owner: string, first: string): RefreshTokenRow {
    const { rows } = this.#all;
    const of = hash('sha256', first);
    const key = JSON.stringify([owner, of]);
    const row = rows.get(key) ?? new RefreshTokenRow(of);
    rows.delete(key);
    rows.set(key, row);
    const before = this.#named.get(holder);
    this.#named.set(holder, key);
    if (before !== undefined && before !== key) this.#forgetOldest();
    return row;
  }

  /** Goes on with those of the config before, which may still be asked, too. */
  follow(before: RefreshTokenRows): void {
    this.#all = before.#all;
    this.#all.named.add(this.#named);
    for (const listener of this.#onFollow) listener();
  }

  /** Its turn has come. Rejects once this config has finished: nobody would hear what replaces a refresh token that is redeemed then. */
  async begin<T>(redeem: () => Promise<T>): Promise<T> {
    if (this.#finished) throw new AuthorizationServerError('transient', 'closed');
    const begun = redeem();
    this.#begun.add(begun);
    try {
      return await begun;
    } finally {
      this.#begun.delete(begun);
    }
  }

  /** From now on none is redeemed here; resolves when those are at their end that are being. */
  async finish(): Promise<void> {
    this.#finished = true;
    await Promise.allSettled(this.#begun);
  }

  onFollow(listener: () => void): void {
    this.#onFollow.push(listener);
  }

  /** Nobody asks here any more. */
  close(): void {
    this.#all.named.delete(this.#named);
    this.#forgetOldest();
  }

  #forgetOldest(): void {
    const { rows, named } = this.#all;
    const kept = new Set([...named].flatMap((each) => [...each.values()]));
    const left = [...rows.keys()].filter((key) => !kept.has(key));
    for (const key of left.slice(0, -MOST_LEFT)) rows.delete(key);
  }
}
