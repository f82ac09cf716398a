/** The alert rules and the dashboard ask for what a broker really shows, and are explained in docs/monitoring.md. */

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse, stringify } from 'yaml';
import { findOnPath } from '../../scripts/find-tool.mjs';
import { ERROR_KINDS } from '../../src/errors.ts';
import type { Verdict } from '../../src/kubernetes/verdict.ts';
import { InjectorMetrics } from '../../src/telemetry/injector-metrics.ts';
import { anchors, read } from '../docs/markdown.ts';
import { startScene } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { CHART } from './helm.ts';
import { alerts, charts, dashboard, expressions, monitoringFile, panels, queries, rules } from './monitoring.ts';
import { groupedBy, selectorsOf } from './promql.ts';

/** What Prometheus and its operator add to each series; `cluster` comes from whoever has several. */
const OF_TARGETS = ['cluster', 'namespace', 'job', 'instance', 'pod'];

const METRIC = /^\| `(?:token_broker_)?(\w+)` \| (?:counter|gauge|histogram) \| ([^|]*) \|/gm;

/** In the pages' tables of metrics: the labels by name. */
const documented = new Map(
  [...`${read('docs/kubernetes.md')}${read('docs/monitoring.md')}`.matchAll(METRIC)].map(([, name, cell = '']) => [
    `token_broker_${name}`,
    [...cell.matchAll(/`(\w+)`/g)].map(([, label]) => label as string),
  ]),
);

let scrape = '';
beforeAll(async () => {
  const scene = await startScene();
  await request(`${scene.url()}/api/x`);
  scrape = (await scene.metrics()) + (await new InjectorMetrics(() => []).render()).text;
  await scene.close();
});

/** Of a metric that the scrape has, or that a rule makes: its labels; `undefined` where there is none. */
function labelsOf(metric: string): readonly string[] | undefined {
  if (metric === 'ALERTS') return [...OF_TARGETS, 'alertname', 'alertstate'];
  if (rules.some(({ record }) => record === metric)) return [...OF_TARGETS, 'token', 'outcome'];
  const name = scrape.includes(`# TYPE ${metric} `) ? metric : metric.replace(/_(?:bucket|sum|count)$/, '');
  if (name !== metric && !scrape.includes(`# TYPE ${name} histogram\n`)) return undefined;
  if (!scrape.includes(`# TYPE ${name} `)) return undefined;
  return [...OF_TARGETS, ...(metric.endsWith('_bucket') ? ['le'] : []), ...(documented.get(name) ?? [])];
}

const OUTCOMES = () =>
  new Set([...scrape.matchAll(/^token_broker_grants_total\{.*outcome="(\w+)"/gm)].map(([, outcome]) => outcome as string));
const OF_PODS: readonly Verdict['outcome'][] = ['injected', 'left-alone', 'refused'];
const VALUES: Readonly<Record<string, () => Iterable<string>>> = {
  code: () => [...Object.keys(ERROR_KINDS), ''],
  outcome: () => [...OUTCOMES(), ...OF_PODS],
  alertname: () => alerts.map(({ alert }) => alert),
};

describe('the alert rules and the dashboard', () => {
  test.each(expressions)('$what asks for metrics and labels that there are', ({ expr }) => {
    const selectors = selectorsOf(expr);
    expect(selectors.map(({ metric }) => metric).filter((metric) => labelsOf(metric) === undefined)).toEqual([]);
    expect(selectors.length).toBeGreaterThan(0);
    for (const { metric, matchers } of selectors)
      expect(labelsOf(metric)).toEqual(expect.arrayContaining(matchers.map(({ label }) => label)));
    const possible = selectors.flatMap(({ metric }) => labelsOf(metric) ?? []);
    expect(possible).toEqual(expect.arrayContaining(groupedBy(expr)));
  });

  test.each(expressions)('$what asks for codes and outcomes that there are', ({ expr }) => {
    const asked = selectorsOf(expr).flatMap(({ matchers }) => matchers.filter(({ label }) => label in VALUES));
    const unknown = asked.filter(({ label, operator, value }) => {
      const pattern = operator.endsWith('~') ? value.split('|') : [value.replaceAll('.', '\\.')];
      return !pattern.every((part) => [...(VALUES[label]?.() ?? [])].some((known) => new RegExp(`^(?:${part})$`).test(known)));
    });
    expect(unknown).toEqual([]);
  });

  test('a metric, label or code that there is not is noticed by this test', () => {
    expect(labelsOf('token_broker_requests')).toBeUndefined();
    expect(labelsOf('token_broker_requests_total_count')).toBeUndefined();
    expect(labelsOf('token_broker_grants_total')).not.toContain('code');
    const found = selectorsOf('sum by (a, b) (rate(x_total{code=~"A_.+|B"}[5m])) / 2 > 0.5 and on (c) y offset 1d or vector(0)');
    expect(found).toEqual([
      { metric: 'x_total', matchers: [{ label: 'code', operator: '=~', value: 'A_.+|B' }] },
      { metric: 'y', matchers: [] },
    ]);
    expect([...OUTCOMES()].sort()).toEqual(['breaker_open', 'granted', 'nonsense', 'permanent', 'transient']);
  });
});

describe('each alert', () => {
  const section = /^## Alerts\n([\s\S]*?)^## /m.exec(read('docs/monitoring.md'))?.[1] ?? '';
  const explained = section
    .split(/^### /m)
    .slice(1)
    .map((text) => /^(\w+)\n\n(Critical|Warning)\b/.exec(text)?.slice(1));

  test('is explained in docs/monitoring.md, with its severity, and no other is', () => {
    expect(explained).toEqual(alerts.map(({ alert, labels }) => [alert, labels.severity.replace(/^./, (first) => first.toUpperCase())]));
  });

  test.each(alerts)('$alert says in short, at length and by a heading of the docs what it is about', ({ annotations }) => {
    expect(Object.keys(annotations).sort()).toEqual(['description', 'runbook', 'summary']);
    const [page, anchor] = (annotations['runbook'] ?? '').split('#') as [string, string];
    expect(anchors(page)).toContain(anchor);
    expect(annotations['summary']).toMatch(/^[A-Z].+\.$/);
  });

  test.each(alerts)('$alert names in its text only labels that it has', ({ expr, annotations }) => {
    const named = [
      ...Object.values(annotations)
        .join()
        .matchAll(/\$labels\.(\w+)/g),
    ].map(([, label]) => label);
    const [, outer = ''] = /by \(([^)]*)\)/.exec(expr) ?? [];
    expect(named.length).toBeGreaterThan(0);
    expect(outer.split(', ')).toEqual(expect.arrayContaining(named));
  });

  test('names only log lines that there are', () => {
    const named = alerts.flatMap(({ annotations: { description = '' } }) =>
      [...description.matchAll(/log lines? ((?:"[^"]+"(?: and | or )?)+)/g)].flatMap(([, lines = '']) =>
        lines.split(/"(?: and | or )?"?/).filter((line) => line !== ''),
      ),
    );
    const messages = [...read('docs/monitoring.md').matchAll(/^\| `([^`]+)` \| (?:info|warn|error|debug)/gm)].map(
      ([, message]) => message as string,
    );
    expect(named.length).toBeGreaterThan(5);
    expect(named.filter((line) => !messages.some((message) => message.startsWith(line)))).toEqual([]);
  });

  test.each(alerts)('$alert fires in a test of alerts.test.yaml, and in another it does not', ({ alert }) => {
    interface Case {
      readonly expr: string;
      readonly exp_samples: readonly unknown[];
    }
    const cases: Case[] = parse(monitoringFile('alerts.test.yaml')).tests.flatMap(
      (group: { promql_expr_test: Case[] }) => group.promql_expr_test,
    );
    const about = cases.filter(({ expr }) => expr.includes(`"${alert}"`));
    expect(about.filter(({ exp_samples }) => exp_samples.length > 0)).not.toEqual([]);
    expect(about.filter(({ exp_samples }) => exp_samples.length === 0)).not.toEqual([]);
  });
});

describe('the dashboard', () => {
  test('has panels with ids of their own, that do not lie on each other', () => {
    expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
    const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
      Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
    );
    expect(new Set(cells).size).toBe(cells.length);
    expect(Math.max(...panels.map(({ gridPos }) => gridPos.x + gridPos.w))).toBe(24);
  });

  test.each(charts)(
    'says of "$title" what it shows, in which unit, and asks the chosen data source',
    ({ description, fieldConfig, targets }) => {
      expect(description).toMatch(/\.$/);
      expect(fieldConfig.defaults).toMatchObject({ unit: expect.any(String), thresholds: expect.any(Object) });
      for (const { datasource } of targets)
        expect(JSON.stringify(datasource)).toMatch(/^\{"type":"prometheus","uid":"\$\{datasource\}"\}$/);
    },
  );

  test.each(queries)('uses in $what only variables that it has', ({ expr }) => {
    const known = [...dashboard.templating.list.map(({ name }: { name: string }) => name), '__rate_interval'];
    expect(known).toEqual(expect.arrayContaining([...expr.matchAll(/\$(\w+)/g)].map(([, name]) => name)));
  });
});

describe('promtool', () => {
  const promtool = findOnPath('promtool');
  const scratch = mkdtempSync(join(tmpdir(), 'token-broker-promtool-'));
  afterAll(() => rmSync(scratch, { recursive: true }));

  const run = (args: readonly string[]) => {
    if (promtool === undefined) {
      process.stderr.write(`skipped: "promtool ${args.join(' ')}": it is not on the PATH; it comes with Prometheus\n`);
      return 'skipped';
    }
    const { status, stdout, stderr } = spawnSync(promtool, args, { encoding: 'utf8' });
    return status === 0 ? 'passed' : `${stdout}${stderr}`;
  };
  const fine = promtool === undefined ? 'skipped' : 'passed';

  test('finds the alert rules well formed', () => {
    expect(run(['check', 'rules', join(CHART, 'monitoring/alerts.yaml')])).toBe(fine);
  });

  test('sees each alert fire and keep silent as alerts.test.yaml says', () => {
    expect(run(['test', 'rules', join(CHART, 'monitoring/alerts.test.yaml')])).toBe(fine);
  }, 60_000);

  test('finds the queries of the dashboard well formed', () => {
    const asRules = queries.map(({ expr }, at) => ({ record: `query_${at}`, expr: expr.replaceAll('$__rate_interval', '5m') }));
    writeFileSync(join(scratch, 'queries.yaml'), stringify({ groups: [{ name: 'queries', rules: asRules }] }));
    expect(run(['check', 'rules', join(scratch, 'queries.yaml')])).toBe(fine);
  });
});
