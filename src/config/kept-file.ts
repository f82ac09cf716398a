/** A file in which the broker keeps something between two of its lives: replaced as a whole or not at all. */

import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { NamedFile } from './named-file.ts';
import { NO_FILE, readTextFile } from './read-file.ts';

/** Five thousand tokens of the longest kind, sealed. */
const MAX_MIB = 64;

/** Written by one broker at a time; whoever reads sees the text before or the text after, never a part. */
export class KeptFile extends NamedFile {
  /** Its text; `undefined` while there is none; or the end of a sentence that begins with the file. Never throws. */
  async read(): Promise<{ readonly text: string } | { readonly fault: string } | undefined> {
    const content = await readTextFile(this.path, MAX_MIB);
    if (content.fault === undefined) return { text: content.text };
    return content.fault === NO_FILE ? undefined : { fault: content.fault };
  }

  /** Once it resolves, the text is on the disk, readable by this user alone. Rejects with what the system says. */
  async write(text: string): Promise<void> {
    const folder = dirname(this.path);
    // In the same folder, since renaming replaces in one step only within one file system.
    const temporary = join(folder, `.${basename(this.path)}.${randomBytes(6).toString('hex')}`);
    try {
      await writeThrough(temporary, text);
      await rename(temporary, this.path);
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined);
      throw error;
    }
    await syncFolder(folder);
  }
}

async function writeThrough(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The new name is on the disk only when its folder is; some file systems cannot say so, and then nothing is lost but certainty. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r');
    try {
      await folder.sync();
    } finally {
      await folder.close();
    }
  } catch {
    return;
  }
}
