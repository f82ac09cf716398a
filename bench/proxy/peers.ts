/** Which proxies are measured, and what a run needs before: the bundle, and the npm packages of the peers. */

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../scripts/find-tool.mjs';
import { broker } from '../targets/broker.ts';
import { envoy } from '../targets/envoy.ts';
import { haproxy } from '../targets/haproxy.ts';
import { nginx } from '../targets/nginx.ts';
import { fastifyHttpProxy, httpProxy3, installedVersion } from '../targets/node-proxies.ts';
import type { Target } from '../targets/target.ts';

const TARGETS: readonly Target[] = [broker(), nginx, haproxy, envoy, httpProxy3, fastifyHttpProxy];
export const TARGET_NAMES = TARGETS.map(({ name }) => name);

type Say = (line: string) => void;

/**
 * @param names of targets; all where it is absent
 * @param bundle measured beside ours, as "other"
 */
export function findTargets(names: readonly string[] | undefined, bundle: string | undefined): { found: Target[]; missing: string[] } {
  const all = bundle === undefined ? TARGETS : [...TARGETS, broker('other', bundle)];
  const wanted = all.filter(({ name }) => names === undefined || names.includes(name) || name === 'other');
  return {
    found: wanted.filter(({ version }) => version !== undefined),
    missing: wanted.filter(({ version }) => version === undefined).map(({ name }) => name),
  };
}

export function prepare(say: Say): void {
  say('building dist/token-broker.js');
  run(process.execPath, ['node_modules/rolldown/bin/cli.mjs', '--config', 'rolldown.config.ts'], projectRoot);
  const folder = join(projectRoot, 'bench');
  // They are no dependency of the project: nobody but a benchmark needs them.
  const { devDependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
  if (Object.entries(devDependencies).every(([name, version]) => installedVersion(name) === version)) return;
  say('installing the npm packages of bench/package.json into bench/node_modules');
  run('npm', ['install', '--no-save', '--loglevel=error'], folder);
}

function run(program: string, args: readonly string[], cwd: string): void {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`"${[program, ...args].join(' ')}" failed: ${stdout}${stderr}`);
}
