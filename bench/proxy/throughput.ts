/** Throughput: as many requests a second as a proxy answers to callers that never pause. */

import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { findOnPath } from '../../scripts/find-tool.mjs';
import type { ClosedLoopPlan, ClosedLoopResult } from '../load/closed-loop.ts';
import { startGenerator } from '../load/generator.ts';
import { BODY, CALLER, targetOf } from '../load/workload.ts';
import { type Processes, pinned } from '../processes.ts';
import type { StartedTarget } from '../targets/target.ts';
import type { Lineup, Row } from './lineup.ts';
import { caption, type Scenario } from './scenarios.ts';

const hasWrk = findOnPath('wrk') !== undefined;
/** Who sends the requests. wrk costs a fifth of what our own generator does, so that the proxy is what is measured. */
export const generatorName = hasWrk ? 'wrk' : 'our own generator (wrk was not found), which is slower than the fastest of the proxies';

export async function measureThroughput(lineup: Lineup, scenarios: readonly Scenario[], rounds: number, seconds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const scenario of scenarios) {
    const row = { name: caption(scenario), unit: 'req/s', variant: scenario.variant, direct: true };
    const { processes } = lineup.setting;
    rows.push(
      await lineup.measure(row, rounds, (target) =>
        hasWrk ? askWrk(processes, target, scenario, seconds) : askOurs(processes, target, scenario),
      ),
    );
  }
  return rows;
}

async function askWrk(
  processes: Processes,
  { port }: StartedTarget,
  { workload, connections }: Scenario,
  seconds: number,
): Promise<number> {
  const script = fileURLToPath(new URL('../load/wrk.lua', import.meta.url));
  const credentials = Buffer.from(`${CALLER.name}:${CALLER.password}`).toString('base64');
  const length = workload.method === 'POST' ? BODY[workload.size] : 0;
  const url = `http://127.0.0.1:${port}${targetOf(workload)}`;
  const args = ['-t', '1', '-c', connections, '-d', `${seconds}s`, '-s', script, url, '--', workload.method, length, credentials];
  const [program, all] = pinned('load', ['wrk', ...args.map(String)]);
  const running = promisify(execFile)(program, all);
  processes.adopt(running.child);
  const { stdout } = await running;
  const problem = /^.*(?:Non-2xx|Socket errors).*$/m.exec(stdout)?.[0];
  if (problem !== undefined) throw new Error(`wrk says: ${problem.trim()}`);
  return Number(/^Requests\/sec: +([\d.]+)$/m.exec(stdout)?.[1]);
}

async function askOurs(processes: Processes, { port }: StartedTarget, scenario: Scenario): Promise<number> {
  const { workload, connections, requests } = scenario;
  const plan: ClosedLoopPlan = { port, workload, connections, warmUp: connections, requests };
  const generator = await startGenerator<ClosedLoopResult>(processes, 'closed-loop.ts', plan);
  return requests / (await generator.run()).seconds;
}
