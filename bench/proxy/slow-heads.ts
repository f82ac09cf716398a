/** Slow callers: thousands that never finish the head of their request, while a good caller's latency is taken. */

import { startGenerator } from '../load/generator.ts';
import type { OpenLoopPlan, OpenLoopResult } from '../load/open-loop.ts';
import type { SlowHeadsPlan, SlowHeadsResult } from '../load/slow-heads.ts';
import type { Setting } from '../setting.ts';
import type { StartedTarget } from '../targets/target.ts';
import { type Lineup, pick, type Row } from './lineup.ts';

export const SLOW_CALLERS = 4_000;
/** The head's time limit of the broker by default, and in the configs of the peers. */
export const HEAD_LIMIT_MS = 10_000;
/** They are looked for at intervals, and all at once. */
export const CUT_SLACK_MS = 2_500;
/** The others have no such limit, or not this one. */
const LIMITED = ['broker', 'other', 'nginx', 'haproxy'];

export const SLOW_ROWS = {
  before: "a good caller's p99 before",
  during: `a good caller's p99 beside ${SLOW_CALLERS.toLocaleString('en')} slow ones`,
  cut: 'slow ones that were cut',
  after: 'the last one was cut after',
} as const;

type Figures = Record<keyof typeof SLOW_ROWS, number>;
const UNITS: Readonly<Record<keyof typeof SLOW_ROWS, string>> = { before: 'ms', during: 'ms', cut: '', after: 's' };

export async function measureSlowHeads(lineup: Lineup, rounds: number): Promise<Row[]> {
  const what = { name: 'slow heads', variant: { scheme: 'http', accessLog: false }, only: LIMITED, warmUp: false } as const;
  const results = await lineup.measure(what, rounds, (target) => once(lineup.setting, target));
  const keys = Object.keys(SLOW_ROWS) as (keyof Figures)[];
  return keys.map((key) => ({ name: SLOW_ROWS[key], unit: UNITS[key], figures: pick(results, key) }));
}

async function once({ processes }: Setting, { port }: StartedTarget): Promise<Figures> {
  const goodCaller = async (seconds: number): Promise<OpenLoopResult> => {
    const workload = { method: 'GET', size: '1 KiB' } as const;
    const plan: OpenLoopPlan = { port, workload, connections: 8, perSecond: 500, warmUpSeconds: 1, seconds };
    return (await startGenerator<OpenLoopResult>(processes, 'open-loop.ts', plan)).run();
  };
  const { p99: before } = await goodCaller(5);
  const plan: SlowHeadsPlan = { port, connections: SLOW_CALLERS, patienceMs: HEAD_LIMIT_MS + 2 * CUT_SLACK_MS };
  const slow = await startGenerator<SlowHeadsResult>(processes, 'slow-heads.ts', plan);
  const ended = slow.run();
  // Until after they were cut, since cutting them all at once may be what hurts.
  const { p99: during } = await goodCaller(HEAD_LIMIT_MS / 1_000 + 1);
  const { cut, longestMs } = await ended;
  return { before, during, cut, after: longestMs / 1_000 };
}
