/** What the chart makes of its values under `monitoring`: what Prometheus reads, its rules, a dashboard. */

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { projectRoot } from '../../scripts/find-tool.mjs';
import { blocks } from '../docs/markdown.ts';
import { CHART, helm, type Manifest, manifestProblems, renderAll, template } from './helm.ts';
import { alerts, dashboard, monitoringFile } from './monitoring.ts';

/** `labels` and `annotations` as users give them to all three. */
const GIVEN = { enabled: true, labels: { release: 'prometheus' }, annotations: { 'example.com/owner': 'payments' } };

function render(monitoring: object, chart = CHART): { find(kind: string, name?: string): Manifest } {
  const manifests = renderAll(chart, chart === CHART ? { monitoring } : { broker: { monitoring } });
  return { find: (kind, name) => manifests.find((each) => each?.kind === kind && (name === undefined || each.metadata.name === name)) };
}

const labelled = expect.objectContaining({
  name: expect.stringMatching(/^demo-token-broker/),
  labels: expect.objectContaining({ release: 'prometheus', 'app.kubernetes.io/instance': 'demo', 'app.kubernetes.io/managed-by': 'Helm' }),
  annotations: { 'example.com/owner': 'payments' },
});

test('nothing of it is made where nobody asks for it', () => {
  const { output } = template(CHART, {});
  expect(output).not.toMatch(/monitoring\.coreos\.com|grafana/);
});

describe('a PodMonitor', () => {
  const keep = { sourceLabels: ['__meta_kubernetes_pod_container_name'], regex: 'token-broker|injector', action: 'keep' };

  test('has the metrics of the gateway read, by labels and a port that its pods have', () => {
    const manifests = render({ podMonitor: GIVEN });
    const { apiVersion, metadata, spec } = manifests.find('PodMonitor');
    expect(apiVersion).toBe('monitoring.coreos.com/v1');
    expect(metadata).toEqual(labelled);
    const { matchLabels } = spec.selector;
    expect(spec).toEqual({
      selector: { matchLabels },
      podMetricsEndpoints: [{ port: 'probes', path: '/metrics', relabelings: [keep] }],
    });
    const pod = manifests.find('Deployment').spec.template;
    expect(matchLabels).toEqual({ 'app.kubernetes.io/instance': 'demo' });
    expect(pod.metadata.labels).toMatchObject(matchLabels);
    expectRead(pod.spec.containers);
  });

  test('has those of the injector read', () => {
    const values = { gateway: { enabled: false }, injector: { enabled: true }, monitoring: { podMonitor: GIVEN } };
    const [deployment] = renderAll(CHART, values).filter(({ kind }) => kind === 'Deployment');
    expect(deployment.spec.template.metadata.labels['app.kubernetes.io/instance']).toBe('demo');
    expectRead(deployment.spec.template.spec.containers, 'injector');
  });

  test('takes an interval, a timeout, namespaces, pods and rules for labels', () => {
    const given = {
      selector: { matchLabels: {} },
      namespaceSelector: { any: true },
      interval: '30s',
      scrapeTimeout: '5s',
      relabelings: [{ action: 'labeldrop', regex: 'pod' }],
      metricRelabelings: [{ action: 'drop', sourceLabels: ['__name__'], regex: 'nodejs_.+' }],
    };
    const { selector, namespaceSelector, relabelings, ...endpoint } = given;
    expect(render({ podMonitor: { ...GIVEN, ...given } }).find('PodMonitor').spec).toEqual({
      selector,
      namespaceSelector,
      podMetricsEndpoints: [{ port: 'probes', path: '/metrics', ...endpoint, relabelings: [keep, ...relabelings] }],
    });
  });

  test('refuses an interval that is none', () => {
    expect(template(CHART, { monitoring: { podMonitor: { interval: 'often' } } }).output).toContain('interval');
  });
});

/** The one container that has the port is one that the rule keeps. */
function expectRead(containers: Manifest[], expected = 'token-broker'): void {
  const withPort = containers.filter(({ ports = [] }) => ports.some(({ name }: Manifest) => name === 'probes'));
  expect(withPort.map(({ name }) => name)).toEqual([expected]);
}

describe('a PrometheusRule', () => {
  const groups: { rules: { alert?: string }[] }[] = parse(monitoringFile('alerts.yaml')).groups;

  test('has the rules of alerts.yaml, templates and all', () => {
    const { apiVersion, metadata, spec } = render({ prometheusRule: GIVEN }).find('PrometheusRule');
    expect(apiVersion).toBe('monitoring.coreos.com/v1');
    expect(metadata).toEqual(labelled);
    expect(spec).toEqual({ groups });
  });

  test('leaves out those that are disabled', () => {
    const disabled = ['TokenBrokerOverloaded', 'TokenBrokerStoreDown'];
    const { spec } = render({ prometheusRule: { ...GIVEN, disabled } }).find('PrometheusRule');
    const left = spec.groups.flatMap(({ rules }: Manifest) => rules).flatMap(({ alert }: Manifest) => alert ?? []);
    expect(left).toEqual(alerts.map(({ alert }) => alert).filter((alert) => !disabled.includes(alert)));
  });
});

describe('a dashboard', () => {
  test("is a ConfigMap with the label that Grafana's sidecar looks for", () => {
    const { annotations } = GIVEN;
    const configMap = render({ dashboard: { enabled: true, labels: { release: 'prometheus' }, annotations } }).find(
      'ConfigMap',
      'demo-token-broker-dashboard',
    );
    expect(manifestProblems(configMap)).toEqual([]);
    expect(configMap.metadata).toEqual(labelled);
    expect(configMap.metadata.labels.grafana_dashboard).toBe('1');
    expect(Object.keys(configMap.data)).toEqual(['token-broker.json']);
    expect(JSON.parse(configMap.data['token-broker.json'])).toEqual(dashboard);
  });
});

describe('in an app chart', () => {
  let app: string;
  const scratch = mkdtempSync(join(tmpdir(), 'token-broker-monitoring-'));
  beforeAll(() => {
    for (const folder of ['charts', 'examples/app-chart']) cpSync(join(projectRoot, folder), join(scratch, folder), { recursive: true });
    app = join(scratch, 'examples/app-chart');
    const { status, output } = helm(['dependency', 'update', app]);
    if (status !== 0) throw new Error(output);
  });
  afterAll(() => rmSync(scratch, { recursive: true }));

  test('a PodMonitor has the metrics of the sidecars read', () => {
    const manifests = render({ podMonitor: GIVEN }, app);
    const { matchLabels } = manifests.find('PodMonitor').spec.selector;
    const pod = manifests.find('Deployment').spec.template;
    expect(matchLabels).toEqual({ 'app.kubernetes.io/instance': 'demo' });
    expect(pod.metadata.labels).toMatchObject(matchLabels);
    expectRead([...pod.spec.initContainers, ...pod.spec.containers]);
  });

  test('rules and dashboard are the same', () => {
    const manifests = render({ prometheusRule: GIVEN, dashboard: GIVEN }, app);
    expect(manifests.find('PrometheusRule').spec).toEqual(parse(monitoringFile('alerts.yaml')));
    expect(JSON.parse(manifests.find('ConfigMap', 'demo-token-broker-dashboard').data['token-broker.json'])).toEqual(dashboard);
  });
});

describe("the README's values", () => {
  const examples = blocks('charts/token-broker/README.md', ['yaml']).filter(({ text }) => text.startsWith('monitoring:'));

  test('are two examples', () => {
    expect(examples).toHaveLength(2);
  });

  test.each(examples)('of line $line make what they ask for', ({ text }) => {
    const values = parse(text);
    const kinds = new Set(renderAll(CHART, values).map((manifest) => manifest?.kind));
    expect(kinds.has('PodMonitor')).toBe(true);
    expect(kinds.has('PrometheusRule')).toBe('prometheusRule' in values.monitoring);
  });
});
