/** The refresh token to use next: the configured one, or whatever has replaced it, in memory and in a file. */

import { createHash } from 'node:crypto';
import type { KeptFile } from '../../config/kept-file.ts';
import type { Secret } from '../../config/secret.ts';
import type { RefreshTokenObserver } from '../observer.ts';
import { SealedFile } from '../sealed-file.ts';
import type { KeptToken } from '../source.ts';

export interface KeptRefreshTokenParts {
  readonly configured: Secret;
  readonly file: KeptFile | undefined;
  /** There whenever there is a file. */
  readonly key: Secret | undefined;
  /** Whose token it is, at which server: what was kept for another is not used. */
  readonly owner: string;
  readonly observer: RefreshTokenObserver;
}

export class KeptRefreshToken {
  readonly #parts: KeptRefreshTokenParts;
  readonly #file: SealedFile | undefined;
  #replacement: KeptToken | undefined;
  /** What stood in the file when it was last read or written: anything else was written by another broker, and is newer. */
  #seen: string | undefined;

  constructor(parts: KeptRefreshTokenParts) {
    const { file, key, owner } = parts;
    this.#parts = parts;
    this.#file = file && key && new SealedFile(file, key, `refresh-token:${owner}`);
  }

  /** What has replaced the configured one. */
  get replacement(): KeptToken | undefined {
    return this.#replacement && { ...this.#replacement, seen: this.#seen };
  }

  /** From the config before, which may have had another configured one. */
  takeOver({ token, of, seen }: KeptToken): void {
    this.#replacement = { token, of };
    this.#seen = seen;
  }

  async current(): Promise<KeptToken> {
    await this.#lookIntoFile();
    const token = this.#parts.configured.reveal();
    const of = digest(token);
    return this.#replacement?.of === of ? this.#replacement : { token, of };
  }

  /**
   * Resolves when the file is written or has failed to be: then the token serves from memory, and the observer knows.
   *
   * @param used what was redeemed: the configured one may have changed on the way
   */
  async replace({ of }: KeptToken, token: string): Promise<void> {
    const { observer } = this.#parts;
    this.#replacement = { token, of };
    if (this.#file === undefined) return;
    const text = JSON.stringify(this.#replacement);
    try {
      await this.#file.write(text);
      this.#seen = text;
    } catch (error) {
      observer.notPersisted(error);
    }
  }

  async #lookIntoFile(): Promise<void> {
    const content = await this.#file?.read();
    if (content === undefined) return;
    const found = 'text' in content ? content.text : content.fault;
    if (found === this.#seen) return;
    this.#seen = found;
    // Whatever the key has sealed under this name, this class has written.
    if ('text' in content) this.#replacement = JSON.parse(content.text) as KeptToken;
    else this.#parts.observer.unreadable(content.fault);
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
