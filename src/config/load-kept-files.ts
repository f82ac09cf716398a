/** Gives the files that the broker writes their place, and looks whether they can have it. */

import { dirname } from 'node:path';
import { KeptFile } from './kept-file.ts';
import type { ConfigPath } from './path.ts';
import { type Finding, problem } from './problem.ts';
import { fingerprintOf, NO_FILE } from './read-file.ts';

/** Resolves them in place. */
export async function loadKeptFiles(config: object, configFile: string): Promise<Finding[]> {
  const used = new Set<string>();
  const findings: Finding[] = [];
  for (const { file, path } of keptFilesIn(config, [])) {
    file.resolveFrom(dirname(configFile));
    const missing = (await fingerprintOf(dirname(file.path))) === NO_FILE;
    if (missing) findings.push(problem(path, 'lies in a folder that does not exist; create it, or correct the path'));
    if (used.has(file.path)) findings.push(problem(path, 'is a file that another token uses too; give each its own'));
    used.add(file.path);
  }
  return findings;
}

function keptFilesIn(value: unknown, path: ConfigPath): { file: KeptFile; path: ConfigPath }[] {
  if (value instanceof KeptFile) return [{ file: value, path }];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([key, child]) => keptFilesIn(child, [...path, key]));
}
