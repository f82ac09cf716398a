/** The alert rules and the dashboard that come with the chart, and all that they ask Prometheus. */

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { CHART } from './helm.ts';

interface Rule {
  readonly alert?: string;
  readonly record?: string;
  readonly expr: string;
  readonly labels?: { readonly severity: string };
  readonly annotations?: Readonly<Record<string, string>>;
}

interface Target {
  readonly expr: string;
  readonly datasource: object;
}

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly description?: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly fieldConfig?: { readonly defaults: { readonly unit?: string; readonly thresholds?: object } };
  readonly targets?: readonly Target[];
}

export const monitoringFile = (name: string) => readFileSync(join(CHART, 'monitoring', name), 'utf8');
export const rules: Rule[] = parse(monitoringFile('alerts.yaml')).groups.flatMap((group: { rules: Rule[] }) => group.rules);
export const alerts = rules.filter(({ alert }) => alert !== undefined) as (Rule &
  Required<Pick<Rule, 'alert' | 'labels' | 'annotations'>>)[];
export const dashboard = JSON.parse(monitoringFile('dashboard.json'));
export const panels: Panel[] = dashboard.panels;
export const charts = panels.filter(({ type }) => type !== 'row') as (Panel & Required<Pick<Panel, 'fieldConfig' | 'targets'>>)[];
export const queries = [
  ...charts.flatMap(({ title, targets }) => targets.map(({ expr }) => ({ what: `panel "${title}"`, expr }))),
  ...dashboard.annotations.list
    .filter(({ expr }: Target) => expr)
    .map(({ name, expr }: Target & { name: string }) => ({ what: name, expr })),
  ...dashboard.templating.list
    .filter(({ type }: { type: string }) => type === 'query')
    .map(({ name, definition }: { name: string; definition: string }) => ({ what: `variable "${name}"`, expr: inLabelValues(definition) })),
];
/** Of both. */
export const expressions = [...rules.map(({ alert, record, expr }) => ({ what: `rule "${alert ?? record}"`, expr })), ...queries];

function inLabelValues(definition: string): string {
  return definition.replace(/^label_values\((.+), \w+\)$/, '$1');
}
