/** docs/kubernetes.md: its values install, its pod gets what it asks for, its metrics are those there are. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { loadConfig } from '../../src/config/load.ts';
import { type Pod, podFrom } from '../../src/kubernetes/pod.ts';
import { judgePod } from '../../src/kubernetes/verdict.ts';
import { InjectorMetrics } from '../../src/telemetry/injector-metrics.ts';
import { patched, sidecarsOf } from '../kubernetes/reviews.ts';
import { CHART, type Manifest, manifestProblems, renderAll } from '../packaging/helm.ts';
import { blocks, read } from './markdown.ts';

const PAGE = 'docs/kubernetes.md';
const [installed, asking] = blocks(PAGE, ['yaml']).map(({ text }) => parse(text));
const manifests = renderAll(CHART, installed);
const dataOf = (name: string): string[] => manifests.flatMap(({ data }) => data?.[name] ?? []);

const scratch = mkdtempSync(join(tmpdir(), 'token-broker-kubernetes-'));
afterAll(() => rmSync(scratch, { recursive: true }));

describe('the example of docs/kubernetes.md', () => {
  test('installs manifests that Kubernetes accepts', () => {
    expect(manifests.length).toBeGreaterThan(6);
    expect(manifests.flatMap(manifestProblems)).toEqual([]);
  });

  test('has a config that the broker accepts', async () => {
    const [text = ''] = dataOf('sidecar.config.json');
    writeFileSync(join(scratch, 'secret'), 'a-secret', { mode: 0o600 });
    writeFileSync(join(scratch, 'sidecar.config.json'), text.replace('/run/secrets/token-broker/orders', scratch));
    expect((await loadConfig(join(scratch, 'sidecar.config.json'))).warnings).toEqual([]);
  });

  test('gives its pod the sidecar, and its container the variables', () => {
    const [text = ''] = dataOf('injector.config.json');
    const pod: Manifest = { apiVersion: 'v1', kind: 'Pod', ...asking, spec: { containers: [{ name: 'app', image: 'app:1' }] } };
    const verdict = judgePod(podFrom(pod) as Pod, 'shop', sidecarsOf(JSON.parse(text).sidecars));
    if (verdict.outcome !== 'injected') throw new Error(verdict.reason);
    const result = patched(pod, verdict.patch);
    expect(manifestProblems(result)).toEqual([]);
    expect(result.spec.initContainers[0].image).toMatch(/^token-broker-sidecar:/);
    expect(result.spec.containers[0].env).toEqual([{ name: 'ORDERS_URL', value: 'http://127.0.0.1:8080/orders' }]);
  });
});

test('docs/kubernetes.md lists the metrics of the injector, and none that is not there', async () => {
  const metrics = new InjectorMetrics(() => []);
  const { text } = await metrics.render();
  const shown = [...text.matchAll(/^# TYPE (token_broker_\w+) (\w+)$/gm)].map(([, name, type]) => `${name} ${type}`);
  const listed = [...read(PAGE).matchAll(/^\| `(token_broker_\w+)` \| (\w+) \|/gm)].map(([, name, type]) => `${name} ${type}`);
  expect(listed).toEqual(shown);
});
