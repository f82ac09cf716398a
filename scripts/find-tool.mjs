/** Where the programs are that tests need beside Node: `helm` and `redis-server`, from the PATH or from where setup put them. */

import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The project's folder, with a separator at its end. */
export const projectRoot = fileURLToPath(new URL('..', import.meta.url));

/** Where setup unpacks helm when the machine has none. */
export const ownHelm = join(projectRoot, '.cache', 'helm', 'helm');

/**
 * The first executable file of that name on the PATH.
 * @param {string} name
 * @returns {string | undefined}
 */
export function findOnPath(name) {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** The path of `helm`. Throws with the way out when there is none: a test that needs it must fail, not be skipped. */
export function findHelm() {
  const found = findOnPath('helm') ?? (isExecutable(ownHelm) ? ownHelm : undefined);
  if (found === undefined) throw new Error('"helm" is not installed: run "node scripts/setup.mjs --tests", or put helm 3 or 4 on the PATH');
  return found;
}

/** The path of `redis-server`. Throws with the way out when there is none: a test that needs it must fail, not be skipped. */
export function findRedisServer() {
  const found = findOnPath('redis-server');
  if (found === undefined) {
    throw new Error('"redis-server" is not installed: run "node scripts/setup.mjs --tests", or put Redis 7 or later on the PATH');
  }
  return found;
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
