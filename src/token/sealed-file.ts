/** A kept file that only we can have written and only we can read. */

import type { KeptFile } from '../config/kept-file.ts';
import type { Secret } from '../config/secret.ts';
import { decrypt, encrypt } from './aes-gcm.ts';

const FORMAT = '1.';

export class SealedFile {
  readonly #file: KeptFile;
  readonly #key: Secret;
  readonly #name: string;

  /** @param name what the text is: one that was sealed as something else does not open */
  constructor(file: KeptFile, key: Secret, name: string) {
    this.#file = file;
    this.#key = key;
    this.#name = name;
  }

  /** The text; `undefined` while there is no file; or the end of a sentence that begins with the file. Never throws. */
  async read(): Promise<{ readonly text: string } | { readonly fault: string } | undefined> {
    const content = await this.#file.read();
    if (content === undefined || 'fault' in content) return content;
    const text = content.text.startsWith(FORMAT) ? decrypt(this.#key, this.#name, content.text.slice(FORMAT.length)) : undefined;
    return text === undefined ? { fault: 'is damaged, or was written with another key' } : { text };
  }

  /** Once it resolves, the text is on the disk. Rejects with what the system says. */
  write(text: string): Promise<void> {
    return this.#file.write(`${FORMAT}${encrypt(this.#key, this.#name, text)}\n`);
  }
}
