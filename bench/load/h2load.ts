/** Load over HTTP/2, by nghttp2's `h2load`, where it is on the PATH: a client of Node's would be slower than the proxy. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { findOnPath } from '../../scripts/find-tool.mjs';
import { pinned } from '../processes.ts';
import { basicOf, targetOf, type Workload } from './workload.ts';

export const hasH2load = findOnPath('h2load') !== undefined;

export interface H2loadPlan {
  readonly port: number;
  readonly workload: Workload;
  readonly connections: number;
  /** At once on each connection. */
  readonly streams: number;
  readonly requests: number;
}

const LIMIT_MS = 120_000;
const SECONDS: Readonly<Record<string, number>> = { us: 1e-6, ms: 1e-3, s: 1, m: 60 };

/** Rejects where not each request was answered with success. */
export async function h2load({ port, workload, connections, streams, requests }: H2loadPlan): Promise<{ readonly seconds: number }> {
  const amounts = ['-n', String(requests), '-c', String(connections), '-m', String(streams)];
  const url = `http://127.0.0.1:${port}${targetOf(workload)}`;
  const [program, args] = pinned('load', ['h2load', ...amounts, '-H', `authorization: ${basicOf()}`, url]);
  const { stdout } = await promisify(execFile)(program, args, { timeout: LIMIT_MS });
  const [, amount, unit = ''] = /^finished in ([\d.]+)(us|ms|s|m),/m.exec(stdout) ?? [];
  if (!stdout.includes(`status codes: ${requests} 2xx`) || amount === undefined) throw new Error(`h2load: ${stdout.slice(-500)}`);
  return { seconds: Number(amount) * (SECONDS[unit] ?? Number.NaN) };
}
