/** Latency at a fixed rate, from the moment a request was due: what callers wait while the proxy is not at its limit. */

import { startGenerator } from '../load/generator.ts';
import type { OpenLoopPlan, OpenLoopResult } from '../load/open-loop.ts';
import type { StartedTarget, Variant } from '../targets/target.ts';
import { type Lineup, pick, type Row } from './lineup.ts';

export interface Rate {
  readonly perSecond: number;
  readonly variant: Variant;
  readonly seconds: number;
}

const CONNECTIONS = 32;
const QUANTILES = [
  ['p50', 'p50'],
  ['p99', 'p99'],
  ['p99.9', 'p999'],
] as const;

export async function measureLatency(lineup: Lineup, rates: readonly Rate[], rounds: number): Promise<Row[]> {
  const rows: Row[] = [];
  for (const rate of rates) {
    const what = { variant: rate.variant, direct: true, name: latencyCaption(rate, 'latency'), warmUp: false };
    const results = await lineup.measure(what, rounds, (target) => openLoop(lineup, target, rate));
    for (const [label, quantile] of QUANTILES) {
      rows.push({ name: latencyCaption(rate, label), unit: 'ms', figures: pick(results, quantile) });
    }
  }
  return rows;
}

export function latencyCaption({ perSecond, variant }: Pick<Rate, 'perSecond' | 'variant'>, quantile: string): string {
  return `${perSecond.toLocaleString('en')} req/s, ${variant.scheme === 'https' ? 'TLS' : 'plain'} upstream: ${quantile}`;
}

async function openLoop({ setting }: Lineup, { port }: StartedTarget, { perSecond, seconds }: Rate): Promise<OpenLoopResult> {
  const plan: OpenLoopPlan = {
    port,
    workload: { method: 'GET', size: '1 KiB' },
    connections: CONNECTIONS,
    perSecond,
    warmUpSeconds: 2,
    seconds,
  };
  return (await startGenerator<OpenLoopResult>(setting.processes, 'open-loop.ts', plan)).run();
}
