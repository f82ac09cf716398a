/** The token of one caller, made from its own credentials. */

import type { CachedToken } from '../cached.ts';
import type { TokenSource, Waiter } from '../source.ts';
import type { Token } from '../token.ts';

/** Like any token, but that a refusal of the credentials is the caller's own affair. */
export class CallerToken implements TokenSource {
  readonly #cached: CachedToken;
  readonly #toCaller: (error: unknown) => unknown;
  /** When the credentials end: wall clock. */
  readonly endsAt: number;
  /** Monotonic. */
  usedAt: number;

  /** @param toCaller turns a failure into what the caller is told */
  constructor(cached: CachedToken, endsAt: number, usedAt: number, toCaller: (error: unknown) => unknown) {
    this.#cached = cached;
    this.endsAt = endsAt;
    this.usedAt = usedAt;
    this.#toCaller = toCaller;
  }

  get waiting(): number {
    return this.#cached.status().waiting;
  }

  get usable(): boolean {
    const { state } = this.#cached.status();
    return state === 'fresh' || state === 'renewing';
  }

  peek(): Token | undefined {
    return this.#cached.peek();
  }

  async get(waiter?: Waiter): Promise<Token> {
    try {
      return await this.#cached.get(waiter);
    } catch (error) {
      throw this.#toCaller(error);
    }
  }

  replace(token: Token, again?: boolean): Promise<Token | undefined> {
    return this.#cached.replace(token, again);
  }

  secretChanged(): void {
    this.#cached.secretChanged();
  }

  /** See `CachedToken`. */
  purge(): Promise<void> {
    return this.#cached.purge();
  }

  close(): void {
    this.#cached.close();
  }
}
