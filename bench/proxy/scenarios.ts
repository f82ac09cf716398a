/** What is measured: which request, over how many connections, to which upstream; and how many of them make a figure. */

import type { Workload } from '../load/workload.ts';
import type { Variant } from '../targets/target.ts';

export interface Scenario {
  readonly workload: Workload;
  readonly connections: number;
  readonly variant: Variant;
  readonly requests: number;
  /** Only these targets. */
  readonly only?: readonly string[];
}

const SMALL: Workload = { method: 'GET', size: '1 KiB' };
const LARGE: Workload = { method: 'GET', size: '1 MiB' };
const PLAIN: Variant = { scheme: 'http', accessLog: false };
const TLS: Variant = { scheme: 'https', accessLog: false };
const LOGGED: Variant = { scheme: 'http', accessLog: true };

/** Enough for nginx to use some hundred ticks of the clock by which the kernel counts CPU time. */
const MANY = 60_000;

/** The two that targets are about, and the one with the access log. */
const ESSENTIAL: readonly Scenario[] = [
  { workload: SMALL, connections: 32, variant: PLAIN, requests: MANY },
  { workload: SMALL, connections: 32, variant: TLS, requests: MANY },
  { workload: SMALL, connections: 32, variant: LOGGED, requests: MANY, only: ['broker', 'nginx'] },
];

const FURTHER: readonly Scenario[] = [
  { workload: SMALL, connections: 1, variant: PLAIN, requests: 20_000 },
  { workload: SMALL, connections: 1_000, variant: PLAIN, requests: MANY },
  { workload: { method: 'POST', size: '1 KiB' }, connections: 32, variant: PLAIN, requests: MANY / 2 },
  { workload: LARGE, connections: 32, variant: PLAIN, requests: 1_000 },
  { workload: LARGE, connections: 32, variant: TLS, requests: 500 },
  { workload: { method: 'POST', size: '1 MiB' }, connections: 32, variant: PLAIN, requests: 1_000 },
  { workload: { method: 'POST', size: '1 MiB' }, connections: 32, variant: TLS, requests: 500 },
];

export function scenarios(quick: boolean): readonly Scenario[] {
  return quick ? ESSENTIAL.map((scenario) => ({ ...scenario, requests: scenario.requests / 3 })) : [...ESSENTIAL, ...FURTHER];
}

export function caption({ workload, connections, variant }: Scenario): string {
  const upstream = variant.scheme === 'https' ? 'TLS upstream' : 'plain upstream';
  const parts = [`${workload.method} ${workload.size}`, `${connections} connection${connections === 1 ? '' : 's'}`, upstream];
  return [...parts, ...(variant.accessLog ? ['access log'] : [])].join(', ');
}
