/** What is promised of the broker, judged by the rows of a run; what a run did not measure is left out. */

import type { Judgement } from '../judgement.ts';
import { median } from '../statistics.ts';
import { latencyCaption } from './latency.ts';
import type { Row } from './lineup.ts';
import { BARE_NODE, MEMORY_ROWS } from './memory.ts';
import { caption, LARGE, LOGGED, PLAIN, SMALL, TLS } from './scenarios.ts';
import { CUT_SLACK_MS, HEAD_LIMIT_MS, SLOW_CALLERS, SLOW_ROWS } from './slow-heads.ts';
import { round } from './text.ts';

export type Section = 'cpu' | 'throughput' | 'latency' | 'memory' | 'slow';
export type Sections = Readonly<Partial<Record<Section, readonly Row[]>>>;

const BROKER = 'broker';
const ESSENTIAL = { workload: SMALL, connections: 32 };

export function judge(sections: Sections): Judgement[] {
  const figure = (section: Section, row: string, target: string) => {
    const found = sections[section]?.find(({ name }) => name === row)?.figures.get(target);
    return Array.isArray(found) ? median(found) : undefined;
  };
  const cpu = (variant: typeof PLAIN, target: string) => figure('cpu', caption({ ...ESSENTIAL, variant }), target);
  const large = (target: string) => figure('throughput', caption({ workload: LARGE, connections: 32, variant: PLAIN }), target);
  const p99 = (target: string) => figure('latency', latencyCaption({ perSecond: 5_000, variant: PLAIN }, 'p99'), target);
  const slow = (row: keyof typeof SLOW_ROWS) => figure('slow', SLOW_ROWS[row], BROKER);
  const bare = figure('memory', MEMORY_ROWS.fresh, BARE_NODE);
  const held = figure('memory', MEMORY_ROWS.idle, BROKER);
  return [
    ratio('CPU per request, plain upstream', cpu(PLAIN, BROKER), cpu(PLAIN, 'nginx'), { atMost: 1.6, of: "nginx's" }),
    ratio('CPU per request, TLS upstream', cpu(TLS, BROKER), cpu(TLS, 'nginx'), { atMost: 1.5, of: "nginx's" }),
    ratio('CPU per request, plain upstream', cpu(PLAIN, BROKER), cpu(PLAIN, 'http-proxy-3'), { atMost: 0.4, of: "http-proxy-3's" }),
    ratio('CPU per request with the access log', cpu(LOGGED, BROKER), cpu(PLAIN, BROKER), { atMost: 1.33, of: 'that without it' }),
    ratio('p99 at 5,000 requests a second', p99(BROKER), p99('nginx'), { atMost: 2, of: "nginx's" }),
    ratio('throughput of bodies of 1 MiB', large(BROKER), large('nginx'), { atLeast: 0.7, of: "nginx's" }),
    bare === undefined
      ? undefined
      : atMost(
          'memory at 1,000 connections under load, above bare node',
          less(figure('memory', MEMORY_ROWS.loaded, BROKER), bare),
          50,
          'MB',
        ),
    atMost('memory holding 10,000 idle connections', held, 250, 'MB'),
    atMost('slow heads that were not cut', less(SLOW_CALLERS, slow('cut')), 0, ''),
    atMost('the last slow head was cut after', slow('after'), (HEAD_LIMIT_MS + CUT_SLACK_MS) / 1_000, 's'),
    ratio("a good caller's p99 beside slow ones", slow('during'), slow('before'), { atMost: 2, of: 'that without them' }),
  ].filter((judgement) => judgement !== undefined);
}

type Bound = { readonly of: string } & ({ readonly atMost: number } | { readonly atLeast: number });

function ratio(what: string, own: number | undefined, others: number | undefined, bound: Bound): Judgement | undefined {
  if (own === undefined || others === undefined) return undefined;
  const value = own / others;
  const kept = 'atMost' in bound ? value <= bound.atMost : value >= bound.atLeast;
  const promised = 'atMost' in bound ? `at most ${bound.atMost}` : `at least ${bound.atLeast}`;
  return { what, figure: `${value.toFixed(2)} × ${bound.of}`, promised, kept };
}

function atMost(what: string, value: number | undefined, most: number, unit: string): Judgement | undefined {
  if (value === undefined) return undefined;
  return { what, figure: `${round(value)} ${unit}`.trim(), promised: `at most ${most} ${unit}`.trim(), kept: value <= most };
}

function less(value: number | undefined, other: number | undefined): number | undefined {
  return value === undefined || other === undefined ? undefined : value - other;
}
