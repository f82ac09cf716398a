/** A file that the config names. */

import { resolve } from 'node:path';

export class NamedFile {
  #path: string;

  /** @param path as written in the config */
  constructor(path: string) {
    this.#path = path;
  }

  /** Absolute once the config is loaded. */
  get path(): string {
    return this.#path;
  }

  /** For the loader: relative paths begin at the directory of the config. */
  resolveFrom(directory: string): void {
    this.#path = resolve(directory, this.#path);
  }
}
