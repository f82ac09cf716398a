/** Where the programs are that tests need beside Node: `helm`, `redis-server` and those of Kerberos, from the PATH or from where setup put them. */

import { accessSync, constants, existsSync, statSync } from 'node:fs';
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

/** What a realm of Kerberos and its users need. */
const KERBEROS_PROGRAMS = ['krb5kdc', 'kdb5_util', 'kadmin.local', 'kinit', 'curl'];

/** Where setup installs the package "kerberos", for `NODE_PATH`. */
export const kerberosModules = join(projectRoot, 'tools', 'kerberos', 'node_modules');

/**
 * Daemons are often kept off the PATH of users.
 * @param {string} name
 * @returns {string | undefined}
 */
export function findDaemon(name) {
  const usual = join('/usr/sbin', name);
  return findOnPath(name) ?? (isExecutable(usual) ? usual : undefined);
}

/**
 * What of Kerberos is not there: its tests are left out then, since it takes a compiler to have it.
 * @returns {string | undefined}
 */
export function missingKerberos() {
  const program = missingKerberosProgram();
  if (program !== undefined) return `"${program}" of MIT Kerberos`;
  const folder = join(kerberosModules, 'kerberos');
  if (existsSync(join(folder, 'build', 'Release', 'kerberos.node'))) return undefined;
  return existsSync(folder) ? UNCOMPILED : 'the npm package "kerberos"';
}

/** Some settings of npm leave install scripts out without a word, and the package is there all the same. */
const UNCOMPILED =
  'the compiled part of the npm package "kerberos" (its install script did not run, or failed: look at "npm config get ignore-scripts" and "npm config get allow-scripts", ' +
  'then run "npm rebuild kerberos --prefix tools/kerberos --ignore-scripts=false")';

/** @returns {string | undefined} */
export function missingKerberosProgram() {
  return KERBEROS_PROGRAMS.find((name) => findDaemon(name) === undefined);
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
