/** What is measured: which request, over how many connections, to which upstream; and how many of them make a figure. */

import { hasH2load } from '../load/h2load.ts';
import type { Workload } from '../load/workload.ts';
import type { Variant } from '../targets/target.ts';
import type { Rate } from './latency.ts';

export interface Scenario {
  readonly workload: Workload;
  readonly connections: number;
  /** Requests at once on each connection, over HTTP/2. */
  readonly streams?: number;
  readonly variant: Variant;
  readonly requests: number;
  /** Only these targets. */
  readonly only?: readonly string[];
}

export const SMALL: Workload = { method: 'GET', size: '1 KiB' };
export const LARGE: Workload = { method: 'GET', size: '1 MiB' };
const UPLOAD: Workload = { method: 'POST', size: '1 MiB' };
export const PLAIN: Variant = { scheme: 'http', accessLog: false };
export const TLS: Variant = { scheme: 'https', accessLog: false };
export const LOGGED: Variant = { scheme: 'http', accessLog: true };

/** Enough for nginx to use some thirty ticks of the clock by which the kernel counts CPU time. */
const MANY = 30_000;
/** Enough for ninety: where a promise is close to what is measured, three in a hundred decide. */
const MOST = 90_000;

/** The two that promises are about, and the one with the access log. */
const ESSENTIAL: readonly Scenario[] = [
  { workload: SMALL, connections: 32, variant: PLAIN, requests: MOST },
  { workload: SMALL, connections: 32, variant: TLS, requests: MOST },
  { workload: SMALL, connections: 32, variant: LOGGED, requests: MOST, only: ['broker', 'other', 'nginx'] },
];

/** Peers would need configs of their own. */
const HTTP2: readonly Scenario[] = hasH2load
  ? [{ workload: SMALL, connections: 1, streams: 32, variant: { ...PLAIN, http2: true }, requests: MANY, only: ['broker', 'other'] }]
  : [];

const BODIES: Scenario = { workload: LARGE, connections: 32, variant: PLAIN, requests: 1_000 };

const FURTHER: readonly Scenario[] = [
  { workload: SMALL, connections: 1, variant: PLAIN, requests: MANY / 2 },
  { workload: SMALL, connections: 1_000, variant: PLAIN, requests: MANY },
  { workload: { method: 'POST', size: '1 KiB' }, connections: 32, variant: PLAIN, requests: MANY / 2 },
  BODIES,
  { workload: LARGE, connections: 32, variant: TLS, requests: 500 },
  { workload: UPLOAD, connections: 32, variant: PLAIN, requests: 1_000 },
  { workload: UPLOAD, connections: 32, variant: TLS, requests: 500 },
];

export function scenarios(quick: boolean): readonly Scenario[] {
  if (!quick) return [...ESSENTIAL, ...HTTP2, ...FURTHER];
  return [...[...ESSENTIAL, ...HTTP2].map((scenario) => ({ ...scenario, requests: scenario.requests / 3 })), { ...BODIES, requests: 500 }];
}

export function rates(quick: boolean): readonly Rate[] {
  if (quick) return [{ perSecond: 5_000, variant: PLAIN, seconds: 2 }];
  return [
    { perSecond: 1_000, variant: PLAIN, seconds: 5 },
    { perSecond: 5_000, variant: PLAIN, seconds: 5 },
    { perSecond: 10_000, variant: PLAIN, seconds: 5 },
    { perSecond: 5_000, variant: TLS, seconds: 5 },
  ];
}

export function caption({
  workload,
  connections,
  streams,
  variant,
}: Pick<Scenario, 'workload' | 'connections' | 'streams' | 'variant'>): string {
  const upstream = variant.scheme === 'https' ? 'TLS upstream' : 'plain upstream';
  const parts = [`${workload.method} ${workload.size}`, `${connections} connection${connections === 1 ? '' : 's'}`, upstream];
  if (streams !== undefined) parts.push(`HTTP/2 with ${streams} streams`);
  return [...parts, ...(variant.accessLog ? ['access log'] : [])].join(', ');
}
