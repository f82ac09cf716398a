/** Gives the files that the broker writes their place, and looks whether they can have it. */

import { realpath } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { KeptFile } from './kept-file.ts';
import { type Finding, problem } from './problem.ts';
import { fingerprintOf, NO_FILE } from './read-file.ts';
import type { ConfigSource } from './source.ts';
import { valuesIn } from './values-in.ts';

/** Resolves them in place. @param readFiles what the config reads from elsewhere */
export async function loadKeptFiles(
  config: object,
  source: Pick<ConfigSource, 'layers' | 'fileOf'>,
  readFiles: readonly { readonly file: string }[],
): Promise<Finding[]> {
  const read = new Set(await Promise.all([...source.layers, ...readFiles].map(({ file }) => file).map(placeOf)));
  const used = new Set<string>();
  const findings: Finding[] = [];
  for (const { value: file, path } of valuesIn(config, KeptFile)) {
    file.resolveFrom(dirname(source.fileOf(path)));
    const missing = (await fingerprintOf(dirname(file.path))) === NO_FILE;
    if (missing) findings.push(problem(path, 'lies in a folder that does not exist; create it, or correct the path'));
    const place = await placeOf(file.path);
    if (used.has(place)) findings.push(problem(path, 'is a file that another token uses too; give each its own'));
    if (read.has(place)) findings.push(problem(path, OVERWRITES));
    used.add(place);
  }
  return findings;
}

const OVERWRITES = 'is a file that the config reads something else from, which would be lost; name one of its own';

/** The same for all ways to one folder. A link in place of the file itself is replaced, not followed. */
async function placeOf(path: string): Promise<string> {
  const folder = dirname(resolve(path));
  return join(await realpath(folder).catch(() => folder), basename(path));
}
