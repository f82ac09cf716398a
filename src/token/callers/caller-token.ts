/** The token of a caller, made from its own credentials, as one of its requests has it. */

import type { CachedToken } from '../cached.ts';
import type { TokenSource, Waiter } from '../source.ts';
import type { Token } from '../token.ts';

/** Like any token, but that a refusal of the credentials is the caller's own affair: each request is told in its own way. */
export class CallerToken implements TokenSource {
  readonly #cached: CachedToken;
  readonly #toCaller: (error: unknown) => unknown;

  /**
   * @param cached shared by all requests with these credentials
   * @param toCaller turns a failure into what this request is told
   */
  constructor(cached: CachedToken, toCaller: (error: unknown) => unknown) {
    this.#cached = cached;
    this.#toCaller = toCaller;
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

  replace(token: Token): Promise<Token | undefined> {
    return this.#cached.replace(token);
  }

  refusedAgain(): void {
    this.#cached.refusedAgain();
  }
}
