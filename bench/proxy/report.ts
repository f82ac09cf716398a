/** `docs/benchmarks.md`, written by a full run. */

import { cpus, release, totalmem } from 'node:os';
import type { Judgement } from '../judgement.ts';
import type { Target } from '../targets/target.ts';
import type { Section, Sections } from './promises.ts';
import { table } from './text.ts';

export interface Run {
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
    'User and system time of the processes of a proxy, from `/proc`, over a fixed number of requests.\nCallers send the next request when they have the answer to the last.',
  ],
  throughput: ['Throughput', 'The same runs, in requests a second. "no proxy" is what the load and the origin can do by themselves.'],
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

export function report({ sections, judgements, targets, missing, names, loadBefore }: Run): string {
  const promises = judgements.map(
    ({ what, figure, promised, kept }) => `| ${what} | ${figure} | ${promised} | ${kept ? 'kept' : '**missed**'} |`,
  );
  const versions = targets.map(({ name, version }) => `${name} ${version}`).join(', ');
  const [cpu] = cpus();
  return [
    '# Benchmarks',
    'Written by `npm run bench`, which runs the broker and its peers in turns on one machine. Compare the columns of a row; another machine has\nother figures. Each proxy was first found to return the right bodies and to send exactly one `Authorization`, the token.',
    `- **When:** ${new Date().toISOString().slice(0, 10)}, load average before: ${loadBefore.toFixed(2)}`,
    `- **Machine:** ${cpu?.model.trim()}, ${cpus().length} cores, ${Math.round(totalmem() / 1024 ** 3)} GiB, Linux ${release()}`,
    `- **Versions:** Node ${process.versions.node}, ${versions}`,
    ...(missing.length > 0 ? [`- **Not found on that machine:** ${missing.join(', ')}`] : []),
    '- **Placing:** proxies on one core, origin and load on the other; one worker or thread each, connections kept open on both sides',
    '- **The broker** authenticates a Basic caller, and obtains its token itself; metrics are on, its access log is off where a row does not say\n  otherwise. nginx, HAProxy and the Node proxies put a fixed token on each request and do not authenticate the caller: they do less.\n  Their configs are in [bench/targets](../bench/targets).',
    '- **Figures** are medians of several rounds, ± half of the distance between the extremes.',
    '## Promises',
    ['| promise | measured | bound | |', '| --- | --- | --- | --- |', ...promises].join('\n'),
    ...Object.entries(TITLES).flatMap(([section, [title, text]]) => {
      const rows = sections[section as Section] ?? [];
      return rows.length === 0 ? [] : [`## ${title}`, text, table(rows, names)];
    }),
  ]
    .map((part, index, parts) => part + (part.startsWith('- ') && parts[index + 1]?.startsWith('- ') ? '\n' : '\n\n'))
    .join('')
    .trimEnd()
    .concat('\n');
}
