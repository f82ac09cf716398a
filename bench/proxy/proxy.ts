/** The proxy part: the broker beside its peers, correctness first, section by section. */

import { writeFile } from 'node:fs/promises';
import { loadavg, platform } from 'node:os';
import { join } from 'node:path';
import { projectRoot } from '../../scripts/find-tool.mjs';
import { tell } from '../judgement.ts';
import { createSetting } from '../setting.ts';
import { measureLatency } from './latency.ts';
import { DIRECT, Lineup, type Row } from './lineup.ts';
import { BARE_NODE, measureMemory } from './memory.ts';
import { findTargets, prepare } from './peers.ts';
import { judge, type Section, type Sections } from './promises.ts';
import { report } from './report.ts';
import { measureSaturation } from './saturation.ts';
import { rates, scenarios } from './scenarios.ts';
import { measureSlowHeads } from './slow-heads.ts';
import { lines } from './text.ts';

export interface ProxyOptions {
  /** Few requests and rounds. */
  readonly quick: boolean;
  /** All targets and sections where they are not named. */
  readonly whole: boolean;
  readonly only: Section | undefined;
  readonly targets: readonly string[] | undefined;
  /** Another bundle of the broker, measured beside ours. */
  readonly beside: string | undefined;
  readonly say: (line: string) => void;
}

interface Measurement {
  readonly gives: readonly Section[];
  readonly measure: (lineup: Lineup, quick: boolean) => Promise<Sections>;
}

const MEASUREMENTS: readonly Measurement[] = [
  { gives: ['cpu', 'throughput'], measure: (lineup, quick) => measureSaturation(lineup, scenarios(quick), 3) },
  { gives: ['latency'], measure: async (lineup, quick) => ({ latency: await measureLatency(lineup, rates(quick), quick ? 1 : 3) }) },
  {
    gives: ['memory'],
    measure: async (lineup, quick) => ({ memory: await measureMemory(lineup, quick ? 20_000 : 50_000, quick ? 1 : 3) }),
  },
  { gives: ['slow'], measure: async (lineup, quick) => ({ slow: await measureSlowHeads(lineup, quick ? 1 : 3) }) },
];
export const SECTION_NAMES = MEASUREMENTS.flatMap(({ gives }) => gives);

const QUICK = { targets: ['broker', 'nginx', 'http-proxy-3'], sections: ['cpu', 'throughput', 'latency'] as Section[] };
const REPORT = join(projectRoot, 'docs', 'benchmarks.md');

/** Returns whether all that is promised of what was measured was kept. A whole run writes `docs/benchmarks.md`. */
export async function benchProxy({ quick, whole, only, targets, beside, say }: ProxyOptions): Promise<boolean> {
  if (platform() !== 'linux') throw new Error('the proxy part reads CPU time and memory from /proc: run it on Linux');
  const [loadBefore = 0] = loadavg();
  if (loadBefore > 0.5) say(`the machine is busy (load average ${loadBefore.toFixed(2)}): figures will be noisy`);
  prepare(say);
  const { found, missing } = findTargets(targets ?? (whole ? undefined : QUICK.targets), beside);
  if (missing.length > 0) say(`not found on this machine, left out: ${missing.join(', ')}`);
  const names = [...found.map(({ name }) => name), DIRECT, BARE_NODE];
  const wanted = only === undefined ? (whole ? SECTION_NAMES : QUICK.sections) : [only];
  let sections: Sections = {};
  const setting = await createSetting();
  const interrupted = () => void setting.close().then(() => process.exit(130));
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  try {
    const lineup = new Lineup(found, setting, say);
    for (const { gives, measure } of MEASUREMENTS) {
      if (!gives.some((section) => wanted.includes(section))) continue;
      const measured = await measure(lineup, quick);
      for (const section of gives) print(section, measured[section] ?? [], names, say);
      sections = { ...sections, ...measured };
    }
  } finally {
    process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
    await setting.close();
  }
  const judgements = judge(sections);
  say('');
  for (const judgement of judgements) say(tell(judgement));
  if (whole && only === undefined && targets === undefined && beside === undefined) {
    await writeFile(REPORT, report({ quick, sections, judgements, targets: found, missing, names, loadBefore }));
    say('written to docs/benchmarks.md');
  }
  return judgements.every(({ kept }) => kept);
}

function print(section: Section, rows: readonly Row[], names: readonly string[], say: (line: string) => void): void {
  say(`\n${section}`);
  for (const row of rows) for (const line of lines(row, names)) say(line);
}
