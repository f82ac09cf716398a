/** Resident memory: of a proxy that has served one request, of one under load on many connections, and while it holds idle ones. */

import { join } from 'node:path';
import type { ClosedLoopPlan, ClosedLoopResult } from '../load/closed-loop.ts';
import { startGenerator } from '../load/generator.ts';
import type { IdlePlan } from '../load/idle.ts';
import type { Workload } from '../load/workload.ts';
import { memory } from '../processes.ts';
import type { Setting } from '../setting.ts';
import type { StartedTarget, Target } from '../targets/target.ts';
import type { Lineup, Row } from './lineup.ts';

export const BARE_NODE = 'bare node';
export const MEMORY_ROWS = {
  fresh: 'after one request',
  loaded: 'most at 1,000 connections under load',
  idle: '10,000 idle connections held',
} as const;

const MB = 1e6;
const SMALL: Workload = { method: 'GET', size: '1 KiB' };
const SETTLE_MS = 1_000;
const SAMPLE_MS = 50;

type Kind = keyof typeof MEMORY_ROWS;

export async function measureMemory(lineup: Lineup, requests: number, rounds: number): Promise<Row[]> {
  const { setting, targets } = lineup;
  const measures: Readonly<Record<Kind, (started: StartedTarget) => Promise<number>>> = {
    fresh: ({ pid }) => settled(pid),
    loaded: (started) => underLoad(setting, started, requests),
    idle: (started) => holdingIdle(setting, started),
  };
  const rows: Row[] = [];
  for (const kind of Object.keys(MEMORY_ROWS) as Kind[]) {
    const figures = new Map<string, number[] | string>();
    lineup.say(`measuring memory ${MEMORY_ROWS[kind]}`);
    if (kind === 'fresh') figures.set(BARE_NODE, [await bareNode(setting)]);
    for (const target of targets) figures.set(target.name, await measureFresh(lineup, target, kind, rounds, measures[kind]));
    rows.push({ name: MEMORY_ROWS[kind], unit: 'MB', figures });
  }
  return rows;
}

/** Each time in a process that has done nothing else. */
async function measureFresh(
  lineup: Lineup,
  target: Target,
  kind: Kind,
  rounds: number,
  measure: (started: StartedTarget) => Promise<number>,
): Promise<number[] | string> {
  const figures: number[] = [];
  try {
    while (figures.length < rounds) {
      const started = await lineup.startFresh(target, { scheme: 'http', accessLog: false });
      try {
        figures.push(await measure(started));
      } finally {
        await started.stop();
      }
    }
    return figures;
  } catch (error) {
    return lineup.refuse(target.name, MEMORY_ROWS[kind], error as Error);
  }
}

/** What the runtime itself takes. */
async function bareNode({ processes, folder }: Setting): Promise<number> {
  const bare = processes.start('proxy', [process.execPath, '-e', 'setInterval(() => {}, 1e6)'], join(folder, 'bare-node.log'));
  const figure = await settled(bare.pid);
  await bare.stop();
  return figure;
}

async function underLoad({ processes }: Setting, { port, pid }: StartedTarget, requests: number): Promise<number> {
  const plan: ClosedLoopPlan = { port, workload: SMALL, connections: 1_000, warmUp: 1_000, requests };
  const generator = await startGenerator<ClosedLoopResult>(processes, 'closed-loop.ts', plan);
  let most = 0;
  const sampling = setInterval(() => {
    most = Math.max(most, memory(pid));
  }, SAMPLE_MS);
  await generator.run().finally(() => clearInterval(sampling));
  return most / MB;
}

async function holdingIdle({ processes }: Setting, { port, pid }: StartedTarget): Promise<number> {
  const plan: IdlePlan = { port, workload: SMALL, connections: 10_000 };
  const generator = await startGenerator<void>(processes, 'idle.ts', plan);
  const figure = await settled(pid);
  await generator.run();
  return figure;
}

async function settled(pid: number): Promise<number> {
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  return memory(pid) / MB;
}
