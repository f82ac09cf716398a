/** Puts a config where it belongs, as a whole or not at all. */

import { randomBytes } from 'node:crypto';
import { link, rename, rm, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

export interface WriteOptions {
  /** Of the file. */
  readonly mode: number;
  /** Whether what stands there may go. */
  readonly overwrite: boolean;
}

/** Rejects with what the system says; `EEXIST` where something stands there already. */
export async function writeConfig(file: string, text: string, { mode, overwrite }: WriteOptions): Promise<void> {
  const temporary = join(dirname(file), `.${basename(file)}.${randomBytes(6).toString('hex')}`);
  try {
    await writeFile(temporary, text, { flag: 'wx', mode });
    // A link, unlike a rename, replaces nothing that appeared in the meantime.
    await (overwrite ? rename(temporary, file) : link(temporary, file));
  } finally {
    await rm(temporary, { force: true });
  }
}
