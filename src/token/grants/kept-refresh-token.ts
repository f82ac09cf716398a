/** The refresh token to use next: the configured one, or whatever has replaced it, in memory and in a file. */

import { createHash } from 'node:crypto';
import type { KeptFile } from '../../config/kept-file.ts';
import type { Secret } from '../../config/secret.ts';
import { decrypt, encrypt } from '../aes-gcm.ts';
import type { RefreshTokenObserver } from '../observer.ts';

export interface KeptRefreshTokenParts {
  readonly configured: Secret;
  readonly file: KeptFile | undefined;
  /** There whenever there is a file. */
  readonly key: Secret | undefined;
  /** Whose token it is, at which server: what was kept for another is not used. */
  readonly owner: string;
  readonly observer: RefreshTokenObserver;
}

interface Replacement {
  readonly token: string;
  /** Digest of the configured token that it goes back to: a changed one ends the row. */
  readonly of: string;
}

const FORMAT = '1.';

export class KeptRefreshToken {
  readonly #parts: KeptRefreshTokenParts;
  #replacement: Replacement | undefined;
  /** What stood in the file when it was last read or written: anything else was written by another broker, and is newer. */
  #seen: string | undefined;

  constructor(parts: KeptRefreshTokenParts) {
    this.#parts = parts;
  }

  async current(): Promise<string> {
    await this.#lookIntoFile();
    const configured = this.#parts.configured.reveal();
    return this.#replacement?.of === digest(configured) ? this.#replacement.token : configured;
  }

  /** Resolves when the file is written or has failed to be: then the token serves from memory, and the observer knows. */
  async replace(token: string): Promise<void> {
    const { configured, file, key, observer } = this.#parts;
    this.#replacement = { token, of: digest(configured.reveal()) };
    if (file === undefined || key === undefined) return;
    const text = `${FORMAT}${encrypt(key, this.#name, JSON.stringify(this.#replacement))}\n`;
    try {
      await file.write(text);
      this.#seen = text;
    } catch (error) {
      observer.notPersisted(error);
    }
  }

  async #lookIntoFile(): Promise<void> {
    const { file, observer } = this.#parts;
    const content = await file?.read();
    if (content === undefined) return;
    const found = 'text' in content ? content.text : content.fault;
    if (found === this.#seen) return;
    this.#seen = found;
    const replacement = 'text' in content ? this.#open(content.text) : undefined;
    if (replacement === undefined) observer.unreadable('fault' in content ? content.fault : 'is damaged, or was written with another key');
    else this.#replacement = replacement;
  }

  #open(text: string): Replacement | undefined {
    const { key } = this.#parts;
    if (key === undefined || !text.startsWith(FORMAT)) return undefined;
    const clear = decrypt(key, this.#name, text.slice(FORMAT.length));
    // Whatever the key has sealed under this name, this class has written.
    return clear === undefined ? undefined : (JSON.parse(clear) as Replacement);
  }

  get #name(): string {
    return `refresh-token:${this.#parts.owner}`;
  }
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}
