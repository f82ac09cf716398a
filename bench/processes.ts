/** Processes that a benchmark starts: pinned to a core, measured through /proc, and ended by their own id whatever happens. */

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { findOnPath } from '../scripts/find-tool.mjs';
import { cpuTicks, residentBytes } from './statistics.ts';

/** Proxies have a core of their own; origin and load share the other. */
export type Core = 'proxy' | 'load';
const CORES = { proxy: '0', load: '1' } as const;

export interface Running {
  readonly pid: number;
  /** What it wrote, to show when it fails. */
  output(): string;
  stop(): Promise<void>;
}

export const canPin = findOnPath('taskset') !== undefined && availableParallelism() > 1;

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const STOP_MS = 3_000;

export class Processes {
  readonly #running = new Map<ChildProcess, Promise<void>>();

  constructor() {
    process.once('exit', () => {
      // SIGTERM, not SIGKILL: nginx's worker would outlive a killed master.
      for (const child of this.#running.keys()) child.kill('SIGTERM');
    });
  }

  /** @param log where its output goes */
  start(core: Core, command: readonly string[], log: string): Running {
    const [program, args] = pinned(core, command);
    const out = openSync(log, 'w', 0o600);
    const child = spawn(program, args, { stdio: ['ignore', out, out] });
    closeSync(out);
    this.adopt(child);
    return { pid: child.pid ?? 0, output: () => readFileSync(log, 'utf8').slice(-2_000), stop: () => this.stop(child) };
  }

  /** Ends it with the rest. */
  adopt(child: ChildProcess): void {
    const ended = new Promise<void>((resolve) => {
      child.once('exit', () => resolve());
      child.once('error', () => resolve());
    });
    this.#running.set(child, ended);
    void ended.then(() => this.#running.delete(child));
  }

  async stop(child: ChildProcess): Promise<void> {
    const ended = this.#running.get(child);
    if (ended === undefined) return;
    child.kill('SIGTERM');
    const impatience = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
    await ended;
    clearTimeout(impatience);
  }

  async stopAll(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((child) => this.stop(child)));
  }
}

export function pinned(core: Core, [program = '', ...args]: readonly string[]): [string, string[]] {
  return canPin ? ['taskset', ['-c', CORES[core], program, ...args]] : [program, args];
}

/** Seconds of CPU, user and system, that a process and its children have used. */
export function cpuSeconds(pid: number): number {
  return family(pid).reduce((sum, id) => sum + cpuTicks(readFileSync(`/proc/${id}/stat`, 'utf8')), 0) / TICKS_PER_SECOND;
}

/** Resident memory of a process and its children, in bytes. */
export function memory(pid: number): number {
  return family(pid).reduce((sum, id) => sum + residentBytes(readFileSync(`/proc/${id}/status`, 'utf8')), 0);
}

function family(pid: number): number[] {
  // It may have ended meanwhile; whoever talks to it will notice.
  if (!existsSync(`/proc/${pid}/task`)) return [];
  const children = readdirSync(`/proc/${pid}/task`).flatMap((thread) =>
    readFileSync(`/proc/${pid}/task/${thread}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(family)];
}
