/** A sealed file of the tokens at hand, so that a restart while the authorization server is down still has them. */

import type { Clock } from '../../clock.ts';
import type { KeptFile } from '../../config/kept-file.ts';
import type { SealKey } from '../../config/schema/store.ts';
import { namesOf } from './names.ts';
import { aesSeal, type Seal } from './seal.ts';
import { isTurn, type StoredToken, type TokenStore, type Turn } from './store.ts';

export interface SnapshotObserver {
  /** The file could not be written; the one before stays. */
  notKept(error: unknown): void;
  /** What stands in the file cannot be used. */
  unreadable(reason: 'damaged', first: boolean): void;
}

export interface SnapshotParts {
  /** Of this replica alone. */
  readonly file: KeptFile;
  readonly keys: readonly SealKey[];
  /** Asked where the file has nothing. */
  readonly behind: TokenStore;
  readonly observer: SnapshotObserver;
  readonly clock: Clock;
}

/** Tokens that come together are written together. */
const WRITE_AFTER_MS = 1_000;
const FORMAT = 1;

export class Snapshot implements TokenStore {
  readonly #parts: SnapshotParts;
  readonly #seal: Seal;
  /** By name. What was read and not used yet is kept until it ends: its token may be needed later. */
  readonly #tokens = new Map<string, StoredToken>();
  /** Names that the process or the config before left behind, each good for one look: afterwards memory knows better. */
  readonly #left = new Set<string>();
  #loaded: Promise<void> | undefined;
  /** That of the next config: it alone writes the file. */
  #next: Snapshot | undefined;
  #cancelWrite: (() => void) | undefined;
  #writing: Promise<void> = Promise.resolve();

  constructor(parts: SnapshotParts) {
    this.#parts = parts;
    this.#seal = aesSeal(parts.keys);
  }

  async obtain(identity: string, wanted: (token: StoredToken) => boolean): Promise<StoredToken | Turn> {
    await this.#ready();
    for (const name of namesOf(identity, '', this.#parts.keys)) {
      const token = this.#left.delete(name) ? this.#tokens.get(name) : undefined;
      if (token !== undefined && wanted(token)) return token;
    }
    const found = await this.#parts.behind.obtain(identity, wanted);
    if (!isTurn(found)) {
      this.#keep(identity, found);
      return found;
    }
    return {
      share: (token, ttlMs) => {
        this.#keep(identity, token);
        found.share(token, ttlMs);
      },
      giveUp: () => found.giveUp(),
    };
  }

  keep(identity: string, token: StoredToken): void {
    void this.#ready().then(() => {
      for (const name of namesOf(identity, '', this.#parts.keys)) this.#left.delete(name);
      this.#keep(identity, token);
    });
  }

  async remove(identity: string): Promise<void> {
    await Promise.all([this.#takeOut(identity, () => true), this.#parts.behind.remove(identity)]);
  }

  follow(before: TokenStore): void {
    if (!(before instanceof Snapshot) || before.#parts.file.path !== this.#parts.file.path) return;
    before.#next = this;
    before.#cancelWrite?.();
    before.#cancelWrite = undefined;
    this.#writing = before.#writing;
    this.#loaded = before.#ready().then(() => {
      for (const [name, token] of before.#tokens) this.#find(name, token);
      this.#writeSoon();
    });
  }

  async close(): Promise<void> {
    if (this.#cancelWrite !== undefined) this.#write();
    await Promise.all([this.#writing, this.#parts.behind.close()]);
  }

  /** Resolves once it is on the disk: a process that ends suddenly must not bring back what was taken out. */
  async #takeOut(identity: string, which: (token: StoredToken) => boolean): Promise<void> {
    await this.#ready();
    const values = new Set<string>();
    for (const name of namesOf(identity, '', this.#parts.keys)) {
      const token = this.#tokens.get(name);
      if (token === undefined || !which(token)) continue;
      values.add(token.value);
      this.#tokens.delete(name);
    }
    // What the next config has obtained since is another token.
    if (this.#next !== undefined) return this.#next.#takeOut(identity, ({ value }) => values.has(value));
    this.#write();
    await this.#writing;
  }

  #ready(): Promise<void> {
    this.#loaded ??= this.#load();
    return this.#loaded;
  }

  #keep(identity: string, token: StoredToken): void {
    const [name, ...older] = namesOf(identity, '', this.#parts.keys);
    for (const each of older) this.#tokens.delete(each);
    this.#tokens.set(name, token);
    const next = this.#next;
    if (next === undefined) this.#writeSoon();
    else void next.#ready().then(() => next.#keep(identity, token));
  }

  async #load(): Promise<void> {
    const { file, observer } = this.#parts;
    const content = await file.read();
    if (content === undefined) return;
    const entries = 'text' in content ? readEntries(content.text) : undefined;
    const opened = entries?.map(([name, text]) => [name, this.#seal.open(name, text)] as const);
    if (opened === undefined || opened.some(([, token]) => token === 'damaged')) observer.unreadable('damaged', true);
    for (const [name, token] of opened ?? []) if (typeof token !== 'string') this.#find(name, token);
  }

  /** Of the process or the config before. */
  #find(name: string, token: StoredToken): void {
    this.#tokens.set(name, token);
    this.#left.add(name);
  }

  #writeSoon(): void {
    this.#cancelWrite ??= this.#parts.clock.after(WRITE_AFTER_MS, () => this.#write());
  }

  #write(): void {
    const { file, clock, observer } = this.#parts;
    this.#cancelWrite?.();
    this.#cancelWrite = undefined;
    for (const [name, token] of this.#tokens) if (hasEnded(token, clock)) this.#tokens.delete(name);
    const entries = [...this.#tokens].map(([name, token]) => [name, this.#seal.seal(name, token)]);
    const text = `${JSON.stringify({ format: FORMAT, entries: Object.fromEntries(entries) })}\n`;
    this.#writing = this.#writing.then(() => file.write(text)).catch((error: unknown) => observer.notKept(error));
  }
}

function hasEnded({ requestedAt, lifetimeMs }: StoredToken, clock: Clock): boolean {
  return clock.now() >= requestedAt + lifetimeMs;
}

function readEntries(text: string): [string, string][] | undefined {
  try {
    const { format, entries } = JSON.parse(text) as { format: unknown; entries: Record<string, unknown> };
    const pairs = Object.entries(entries);
    return format === FORMAT && pairs.every(([, sealed]) => typeof sealed === 'string') ? (pairs as [string, string][]) : undefined;
  } catch {
    return undefined;
  }
}
