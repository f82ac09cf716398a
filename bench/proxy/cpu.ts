/** CPU per request: what a proxy's processes used, user and system, over a fixed number of requests. */

import type { ClosedLoopPlan, ClosedLoopResult } from '../load/closed-loop.ts';
import { startGenerator } from '../load/generator.ts';
import { cpuSeconds } from '../processes.ts';
import { cpuPerRequest } from '../statistics.ts';
import type { StartedTarget } from '../targets/target.ts';
import type { Lineup, Row } from './lineup.ts';
import { caption, type Scenario } from './scenarios.ts';

export async function measureCpu(lineup: Lineup, scenarios: readonly Scenario[], rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const scenario of scenarios) {
    const { variant, only } = scenario;
    const row = { name: caption(scenario), unit: 'µs', variant, only };
    rows.push(await lineup.measure(row, rounds, (target) => measureOnce(lineup, target, scenario)));
  }
  return rows;
}

async function measureOnce({ setting }: Lineup, target: StartedTarget, scenario: Scenario): Promise<number> {
  const { workload, connections, requests } = scenario;
  const plan: ClosedLoopPlan = { port: target.port, workload, connections, warmUp: connections, requests };
  const generator = await startGenerator<ClosedLoopResult>(setting.processes, 'closed-loop.ts', plan);
  const before = cpuSeconds(target.pid);
  await generator.run();
  return cpuPerRequest(cpuSeconds(target.pid) - before, requests);
}
