/** `docs/benchmarks.md`, written by a run of everything. */

import { cpus, release, totalmem } from 'node:os';
import type { Judgement } from '../judgement.ts';
import { canPin } from '../processes.ts';
import type { Target } from '../targets/target.ts';
import type { Row } from './lineup.ts';
import type { Section, Sections } from './promises.ts';
import { markdownTable, table } from './text.ts';

export interface Run {
  readonly quick: boolean;
  readonly sections: Sections;
  readonly judgements: readonly Judgement[];
  readonly targets: readonly Target[];
  readonly missing: readonly string[];
  /** All columns, in order. */
  readonly names: readonly string[];
  /** Runnable processes in the minute before: what else the machine was doing. */
  readonly loadBefore: number;
}

const TITLES: Readonly<Record<Section, readonly [title: string, text: string]>> = {
  cpu: [
    'CPU per request',
    'User and system time of the processes of a proxy, from `/proc`, over a fixed number of requests.\nCallers send the next request when they have the answer to the last. They send the same fields each time, which the\nbroker does not read again: where fields differ each time, it costs about 3 µs more.',
  ],
  throughput: [
    'Throughput',
    'The same runs, in requests a second. "no proxy" is what the load and the origin can do by themselves: a proxy near it\nis not at its own limit.',
  ],
  latency: [
    'Latency at fixed rates',
    'Bodies of 1 KiB, 32 connections. Requests are sent at even intervals, whether or not answers keep up, and timed from the moment they were due.',
  ],
  memory: [
    'Memory',
    'Resident memory of the processes of a proxy, in MB of a million bytes. "bare node" is an empty program on the same version of Node.',
  ],
  slow: ['Slow heads', 'The head of a request comes at one byte a second and never ends. The limit is 10 seconds.'],
};

export function report(run: Run): string {
  const { sections, judgements, names } = run;
  const promises = judgements.map(({ what, figure, promised, kept }) => [what, figure, promised, kept ? 'kept' : '**missed**']);
  const measured = (Object.keys(TITLES) as Section[]).flatMap((section) => {
    const rows = sections[section] ?? [];
    const [title, text] = TITLES[section];
    return rows.length === 0 ? [] : [`## ${title}`, text, table(rows, names), ...refusals(rows)];
  });
  const parts = [
    '# Benchmarks',
    `Written by \`npm run bench\`, which runs the broker and its peers in turns on one machine. Compare the columns of a row; another machine has
other figures. Each proxy was first found to return the right bodies and to send exactly one \`Authorization\`, the token.`,
    facts(run).join('\n'),
    '## Promises',
    markdownTable([['promise', 'measured', 'bound', ''], ...promises]),
    ...measured,
  ];
  return `${parts.join('\n\n')}\n`;
}

function facts({ quick, targets, missing, loadBefore }: Run): string[] {
  const versions = targets.map(({ name, version }) => `${name} ${version}`).join(', ');
  const [cpu] = cpus();
  return [
    `- **When:** ${new Date().toISOString().slice(0, 10)}. The load average before was ${loadBefore.toFixed(2)}; above 0.5, figures are noisy.`,
    `- **Machine:** ${cpu?.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 1024 ** 3)} GiB, Linux ${release().split('.', 2).join('.')}.`,
    `- **Versions:** Node ${process.versions.node}, ${versions}.`,
    ...(missing.length > 0 ? [`- **Not found on that machine:** ${missing.join(', ')}.`] : []),
    `- **Placing:** ${canPin ? 'proxies on one core, origin and load on another' : 'no process was pinned to a core'}; one worker or thread each, connections kept open on both sides.`,
    `- **The broker** authenticates a Basic caller and obtains its token itself; metrics are on, its access log is off where a row does not say
  otherwise. nginx, HAProxy and the Node proxies put a fixed token on each request and do not authenticate the caller: they do less.
  Their configs are in [bench/targets](../bench/targets).`,
    `- **Figures** are medians of several rounds, ± half of the distance between the extremes.${quick ? ' This was a short run: few of each.' : ''}`,
  ];
}

function refusals(rows: readonly Row[]): string[] {
  const reasons = rows.flatMap(({ name, figures }) =>
    [...figures].flatMap(([target, found]) => (typeof found === 'string' ? [`- ${target}, ${name}: ${found.split('\n', 1)[0]}`] : [])),
  );
  return reasons.length === 0 ? [] : [`Refused:\n\n${reasons.join('\n')}`];
}
