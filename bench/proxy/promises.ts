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

/** `undefined` where it was not asked for, `NaN` where it was refused: nothing is kept by that. */
type Figure = number | undefined;

const BROKER = 'broker';

export function judge(sections: Sections): Judgement[] {
  const at = figuresOf(sections);
  return [
    ratio('CPU per request, plain upstream', at.cpu(PLAIN, BROKER), at.cpu(PLAIN, 'nginx'), { atMost: 1.6, of: "nginx's" }),
    ratio('CPU per request, TLS upstream', at.cpu(TLS, BROKER), at.cpu(TLS, 'nginx'), { atMost: 1.5, of: "nginx's" }),
    ratio('CPU per request, plain upstream', at.cpu(PLAIN, BROKER), at.cpu(PLAIN, 'http-proxy-3'), { atMost: 0.4, of: "http-proxy-3's" }),
    ratio('CPU per request with the access log', at.cpu(LOGGED, BROKER), at.cpu(PLAIN, BROKER), { atMost: 1.33, of: 'that without it' }),
    ratio('p99 at 5,000 requests a second', at.p99(BROKER), at.p99('nginx'), { atMost: 2, of: "nginx's" }),
    ratio('throughput of bodies of 1 MiB', at.large(BROKER), at.large('nginx'), { atLeast: 0.7, of: "nginx's" }),
    most(
      'memory at 1,000 connections under load, above bare node',
      less(at.memory('loaded', BROKER), at.memory('fresh', BARE_NODE)),
      50,
      'MB',
    ),
    most('memory holding 10,000 idle connections', at.memory('idle', BROKER), 250, 'MB'),
    most('slow heads that were not cut', less(SLOW_CALLERS, at.slow('cut')), 0, ''),
    most('the last slow head was cut after', at.slow('after'), (HEAD_LIMIT_MS + CUT_SLACK_MS) / 1_000, 's'),
    ratio("a good caller's p99 beside slow ones", at.slow('during'), at.slow('before'), { atMost: 2, of: 'that without them' }),
  ].filter((judgement) => judgement !== undefined);
}

function figuresOf(sections: Sections) {
  const figure = (section: Section, row: string, target: string): Figure => {
    const found = sections[section]?.find(({ name }) => name === row)?.figures.get(target);
    return typeof found === 'string' ? Number.NaN : found && median(found);
  };
  return {
    cpu: (variant: typeof PLAIN, target: string) => figure('cpu', caption({ workload: SMALL, connections: 32, variant }), target),
    large: (target: string) => figure('throughput', caption({ workload: LARGE, connections: 32, variant: PLAIN }), target),
    p99: (target: string) => figure('latency', latencyCaption({ perSecond: 5_000, variant: PLAIN }, 'p99'), target),
    memory: (row: keyof typeof MEMORY_ROWS, target: string) => figure('memory', MEMORY_ROWS[row], target),
    slow: (row: keyof typeof SLOW_ROWS) => figure('slow', SLOW_ROWS[row], BROKER),
  };
}

type Bound = { readonly of: string } & ({ readonly atMost: number } | { readonly atLeast: number });

function ratio(what: string, own: Figure, others: Figure, bound: Bound): Judgement | undefined {
  if (own === undefined || others === undefined) return undefined;
  const value = own / others;
  const kept = 'atMost' in bound ? value <= bound.atMost : value >= bound.atLeast;
  const promised = 'atMost' in bound ? `at most ${bound.atMost}` : `at least ${bound.atLeast}`;
  return { what, figure: Number.isNaN(value) ? 'refused' : `${value.toFixed(2)} × ${bound.of}`, promised, kept };
}

function most(what: string, value: Figure, bound: number, unit: string): Judgement | undefined {
  if (value === undefined) return undefined;
  const figure = Number.isNaN(value) ? 'refused' : `${round(value)} ${unit}`.trim();
  return { what, figure, promised: `at most ${bound} ${unit}`.trim(), kept: value <= bound };
}

function less(value: Figure, other: Figure): Figure {
  return value === undefined || other === undefined ? undefined : value - other;
}
