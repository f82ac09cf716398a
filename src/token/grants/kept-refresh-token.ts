/** The refresh token to use next: the configured one, or whatever has replaced it, in memory and in a file. */

import type { KeptFile } from '../../config/kept-file.ts';
import type { Secret } from '../../config/secret.ts';
import type { RefreshTokenObserver } from '../observer.ts';
import { SealedFile } from '../sealed-file.ts';
import type { RefreshTokenRow, RefreshTokenRows } from './refresh-token-rows.ts';

export interface KeptRefreshTokenParts {
  readonly configured: Secret;
  readonly file: KeptFile | undefined;
  /** There whenever there is a file. */
  readonly key: Secret | undefined;
  /** Whose token it is, at which server: what was kept for another is not used. */
  readonly owner: string;
  readonly rows: RefreshTokenRows;
  readonly observer: RefreshTokenObserver;
}

/** What can be redeemed, and what it is of: the configured one may change on the way. */
export interface Redeemable {
  readonly token: string;
  readonly row: RefreshTokenRow;
}

export class KeptRefreshToken {
  readonly #parts: KeptRefreshTokenParts;
  readonly #file: { readonly path: string; readonly sealed: SealedFile } | undefined;

  constructor(parts: KeptRefreshTokenParts) {
    const { file, key, owner, rows } = parts;
    this.#parts = parts;
    this.#file = file && key && { path: file.path, sealed: new SealedFile(file, key, `refresh-token:${owner}`) };
    rows.onFollow(() => void this.#inTurn(() => this.#takeIntoFile()));
  }

  /** Whoever redeems one of the same row waits for the other, also where they belong to different configs. */
  inTurn<T>(redeem: () => Promise<T>): Promise<T> {
    return this.#inTurn(() => this.#parts.rows.begin(redeem));
  }

  /** Of which row may change meanwhile. */
  async #inTurn<T>(work: () => Promise<T>): Promise<T> {
    for (;;) {
      const row = this.#row();
      const done = await row.inTurn(async () => (row === this.#row() ? { result: await work() } : undefined));
      if (done !== undefined) return done.result;
    }
  }

  async current(): Promise<Redeemable> {
    const row = this.#row();
    const configured = this.#parts.configured.reveal();
    await this.#lookIntoFile(row);
    return { token: row.latest ?? configured, row };
  }

  /** Resolves when the file is written or has failed to be: then the token serves from memory, and the observer knows. */
  async replace({ row }: Redeemable, token: string): Promise<void> {
    row.latest = token;
    await this.#write(row);
  }

  #row(): RefreshTokenRow {
    return this.#parts.rows.rowOf(this, this.#parts.owner, this.#parts.configured.reveal());
  }

  /** Another file or key than that of the config before has nothing of the row yet, and a restart would begin it again. */
  async #takeIntoFile(): Promise<void> {
    const row = this.#row();
    if (this.#file === undefined || row.latest === undefined) return;
    const content = await this.#file.sealed.read();
    const found = content !== undefined && 'text' in content ? content.text : undefined;
    const seen = row.seen.get(this.#file.path);
    const isNewer = found !== undefined && seen !== undefined && found !== seen;
    if (!isNewer && found !== textOf(row)) await this.#write(row);
  }

  async #write(row: RefreshTokenRow): Promise<void> {
    if (this.#file === undefined) return;
    const text = textOf(row);
    try {
      await this.#file.sealed.write(text);
      row.seen.set(this.#file.path, text);
    } catch (error) {
      this.#parts.observer.notPersisted(error);
    }
  }

  async #lookIntoFile(row: RefreshTokenRow): Promise<void> {
    const content = await this.#file?.sealed.read();
    if (content === undefined || this.#file === undefined) return;
    const found = 'text' in content ? content.text : content.fault;
    if (found === row.seen.get(this.#file.path)) return;
    row.seen.set(this.#file.path, found);
    if (!('text' in content)) return this.#parts.observer.unreadable(content.fault);
    // Whatever the key has sealed under this name, this class has written.
    const { token, of } = JSON.parse(content.text) as { token: string; of: string };
    if (of === row.of) row.latest = token;
  }
}

function textOf({ latest: token, of }: RefreshTokenRow): string {
  return JSON.stringify({ token, of });
}
