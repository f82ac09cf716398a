/** CPU per request and throughput, in one: callers that never pause send a fixed number of requests. */

import type { ClosedLoopPlan, ClosedLoopResult } from '../load/closed-loop.ts';
import { startGenerator } from '../load/generator.ts';
import { h2load } from '../load/h2load.ts';
import { cpuSeconds } from '../processes.ts';
import { cpuPerRequest } from '../statistics.ts';
import type { StartedTarget } from '../targets/target.ts';
import { DIRECT, type Lineup, pick, type Row } from './lineup.ts';
import { caption, type Scenario } from './scenarios.ts';

interface Measured {
  readonly cpu: number;
  readonly perSecond: number;
}

export async function measureSaturation(lineup: Lineup, scenarios: readonly Scenario[], rounds: number) {
  const cpu: Row[] = [];
  const throughput: Row[] = [];
  for (const scenario of scenarios) {
    const { variant, only } = scenario;
    const what = { name: caption(scenario), variant, only, direct: scenario.streams === undefined };
    const results = await lineup.measure(what, rounds, (target) => measureOnce(lineup, target, scenario));
    const proxies = new Map([...results].filter(([name]) => name !== DIRECT));
    cpu.push({ name: what.name, unit: 'µs', figures: pick(proxies, 'cpu') });
    throughput.push({ name: what.name, unit: 'req/s', figures: pick(results, 'perSecond') });
  }
  return { cpu, throughput };
}

async function measureOnce({ setting }: Lineup, { port, pid }: StartedTarget, scenario: Scenario): Promise<Measured> {
  const { workload, connections, requests, streams } = scenario;
  // The generator is new each time, and must not be what is slow.
  const warmUp = Math.max(connections, Math.ceil(requests / 5));
  if (streams !== undefined) {
    const plan = { port, workload, connections, streams };
    await h2load({ ...plan, requests: warmUp });
    return measured(pid, requests, () => h2load({ ...plan, requests }));
  }
  const plan: ClosedLoopPlan = { port, workload, connections, warmUp, requests };
  const generator = await startGenerator<ClosedLoopResult>(setting.processes, 'closed-loop.ts', plan);
  return measured(pid, requests, () => generator.run());
}

async function measured(pid: number, requests: number, run: () => Promise<{ readonly seconds: number }>): Promise<Measured> {
  const before = cpuSeconds(pid);
  const { seconds } = await run();
  return { cpu: cpuPerRequest(cpuSeconds(pid) - before, requests), perSecond: requests / seconds };
}
