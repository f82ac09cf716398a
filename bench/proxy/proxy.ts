/** The proxy part: the broker beside its peers, correctness first. */

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { projectRoot } from '../../scripts/find-tool.mjs';
import { createSetting } from '../setting.ts';
import { broker } from '../targets/broker.ts';
import { nginx } from '../targets/nginx.ts';
import { httpProxy3 } from '../targets/node-proxies.ts';
import type { Target } from '../targets/target.ts';
import { measureCpu } from './cpu.ts';
import { Lineup, type Row } from './lineup.ts';
import { scenarios } from './scenarios.ts';
import { cell } from './text.ts';

export interface ProxyOptions {
  readonly quick: boolean;
  /** Names of targets; all by default. */
  readonly targets?: readonly string[];
  readonly say: (line: string) => void;
}

const TARGETS: readonly Target[] = [broker(), nginx, httpProxy3];

export async function benchProxy({ quick, targets, say }: ProxyOptions): Promise<void> {
  build(say);
  installPeers(say);
  const wanted = TARGETS.filter(({ name }) => targets === undefined || targets.includes(name));
  const missing = wanted.filter(({ version }) => version === undefined);
  if (missing.length > 0) say(`not found on this machine, left out: ${missing.map(({ name }) => name).join(', ')}`);
  const setting = await createSetting();
  const interrupted = () => void setting.close().then(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const lineup = new Lineup(
      wanted.filter(({ version }) => version !== undefined),
      setting,
      say,
    );
    for (const row of await measureCpu(lineup, scenarios(quick), quick ? 3 : 5)) print(row, lineup, say);
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await setting.close();
  }
}

function print(row: Row, lineup: Lineup, say: (line: string) => void): void {
  say(row.name);
  for (const name of lineup.names) if (row.figures.has(name)) say(`  ${name.padEnd(20)} ${cell(row, name)}`);
}

function build(say: (line: string) => void): void {
  say('building dist/token-broker.js');
  run(process.execPath, ['node_modules/rolldown/bin/cli.mjs', '--config', 'rolldown.config.ts'], projectRoot);
}

/** They are no dependency of the project: nobody but a benchmark needs them. */
function installPeers(say: (line: string) => void): void {
  const folder = join(projectRoot, 'bench');
  if (existsSync(join(folder, 'node_modules', '.package-lock.json'))) return;
  say('installing the npm packages of bench/package.json into bench/node_modules');
  run('npm', ['install', '--no-save', '--loglevel=error'], folder);
}

function run(program: string, args: readonly string[], cwd: string): void {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd, encoding: 'utf8' });
  if (status !== 0) throw new Error(`"${[program, ...args].join(' ')}" failed: ${stdout}${stderr}`);
}
