/**
 * Refresh tokens, each of which came of the one before: whoever redeems one, under whatever name and config, must know the last of its
 * row, since a server may take the use of an earlier one for theft (RFC 9700 §4.14.2).
 */

import { createHash } from 'node:crypto';

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

export class RefreshTokenRows {
  /** By whose token it is, and its first. */
  #rows = new Map<string, RefreshTokenRow>();
  readonly #onFollow: (() => void)[] = [];

  /** @param owner the client, and the server */
  rowOf(owner: string, first: string): RefreshTokenRow {
    const of = createHash('sha256').update(first).digest('hex');
    const key = JSON.stringify([owner, of]);
    const row = this.#rows.get(key) ?? new RefreshTokenRow(of);
    this.#rows.set(key, row);
    return row;
  }

  /** Goes on with those of the config before, which may still be asked, too. */
  follow(before: RefreshTokenRows): void {
    this.#rows = before.#rows;
    for (const listener of this.#onFollow) listener();
  }

  onFollow(listener: () => void): void {
    this.#onFollow.push(listener);
  }
}
