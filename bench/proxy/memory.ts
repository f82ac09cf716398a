/** Resident memory: of a proxy that has served one request, of one under load on many connections, and while it holds idle ones. */

import { join } from 'node:path';
import type { ClosedLoopPlan, ClosedLoopResult } from '../load/closed-loop.ts';
import { startGenerator } from '../load/generator.ts';
import type { IdlePlan } from '../load/idle.ts';
import type { Workload } from '../load/workload.ts';
import { memory } from '../processes.ts';
import type { Setting } from '../setting.ts';
import type { StartedTarget } from '../targets/target.ts';
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

export async function measureMemory(lineup: Lineup, requests: number): Promise<Row[]> {
  const figures = { fresh: new Map(), loaded: new Map(), idle: new Map() } as Record<
    keyof typeof MEMORY_ROWS,
    Map<string, number[] | string>
  >;
  figures.fresh.set(BARE_NODE, [await bareNode(lineup.setting)]);
  for (const target of lineup.targets) {
    const measureFresh = async (kind: keyof typeof MEMORY_ROWS, measure: (started: StartedTarget) => Promise<number>) => {
      try {
        const started = await lineup.startFresh(target, { scheme: 'http', accessLog: false });
        figures[kind].set(target.name, [await measure(started)]);
        await started.stop();
      } catch (error) {
        figures[kind].set(target.name, lineup.refuse(target.name, MEMORY_ROWS[kind], error as Error));
      }
    };
    await measureFresh('fresh', async ({ pid }) => settled(pid));
    await measureFresh('loaded', (started) => underLoad(lineup.setting, started, requests));
    await measureFresh('idle', (started) => holdingIdle(lineup.setting, started));
  }
  return Object.entries(MEMORY_ROWS).map(([kind, name]) => ({ name, unit: 'MB', figures: figures[kind as keyof typeof MEMORY_ROWS] }));
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
