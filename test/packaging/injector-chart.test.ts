/** The chart as an injector: what it renders, and that the injector gives out the very container that app charts get. */

import { X509Certificate } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test } from '@jest/globals';
import { parse } from 'yaml';
import { projectRoot } from '../../scripts/find-tool.mjs';
import { systemClock } from '../../src/clock.ts';
import { loadConfig } from '../../src/config/load.ts';
import { loadInjectorConfig } from '../../src/config/load-injector.ts';
import type { InjectorConfig } from '../../src/config/schema/injector.ts';
import { type Pod, podFrom } from '../../src/kubernetes/pod.ts';
import { judgePod } from '../../src/kubernetes/verdict.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { patched, podAsking } from '../kubernetes/reviews.ts';
import { CHART, helm, type Manifest, manifestProblems, renderAll, template } from './helm.ts';

const scratch = mkdtempSync(join(tmpdir(), 'token-broker-injector-chart-'));
afterAll(() => rmSync(scratch, { recursive: true }));

/** What the example of an app chart has under "broker", but for its gateway. */
const { gateway: _gateway, ...ORDERS } = parse(readFileSync(join(projectRoot, 'examples/app-chart/values.yaml'), 'utf8')).broker;

const values = (injector: object = {}, more: object = {}) => ({
  gateway: { enabled: false },
  injector: { enabled: true, sidecars: { orders: { namespaces: ['shop', 'books'], ...ORDERS } }, ...injector },
  ...more,
});

const rendered = (injector?: object, more?: object) => renderAll(CHART, values(injector, more));
const only = (manifests: Manifest[], kind: string): Manifest => {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  expect(found).toHaveLength(1);
  return found[0];
};
const sidecarConfigs = (manifests: Manifest[]) => manifests.filter(({ data }) => data?.['sidecar.config.json'] !== undefined);
const webhooks = (manifests: Manifest[]): Manifest[] => only(manifests, 'MutatingWebhookConfiguration').webhooks;

/** The config of the injector as it would read it. */
async function configIn(manifests: Manifest[]): Promise<InjectorConfig> {
  const folder = mkdtempSync(join(scratch, 'config-'));
  const { cert, key } = await (await createAuthority()).issueServer();
  writeFileSync(join(folder, 'tls.crt'), cert);
  writeFileSync(join(folder, 'tls.key'), key, { mode: 0o600 });
  const [text] = manifests.flatMap(({ data }) => data?.['injector.config.json'] ?? []);
  writeFileSync(join(folder, 'injector.config.json'), text.replaceAll('/run/secrets/token-broker/tls', folder));
  const { config, warnings } = await loadInjectorConfig(join(folder, 'injector.config.json'), {}, systemClock);
  expect(warnings).toEqual([]);
  return config;
}

describe('the chart with the injector', () => {
  test.each([
    ['its own certificate', {}, ['Secret']],
    ['the certificate of cert-manager', { certificate: { issuerRef: { name: 'internal', kind: 'ClusterIssuer' } } }, ['Certificate']],
    ['a certificate that is there', { certificate: { secretName: 'injector-tls', caBundle: 'Q0E=' } }, []],
  ])('renders manifests that Kubernetes accepts, with %s', (_name, injector, kinds) => {
    const manifests = rendered(injector);
    const common = [
      'ConfigMap',
      'ConfigMap',
      'ConfigMap',
      'Deployment',
      'MutatingWebhookConfiguration',
      'Pod',
      'PodDisruptionBudget',
      'Service',
    ];
    expect(manifests.map(({ kind }) => kind).sort()).toEqual([...common, ...kinds].sort());
    expect(manifests.filter(({ kind }) => kind !== 'Certificate').flatMap(manifestProblems)).toEqual([]);
  });

  test('passes helm lint --strict', () => {
    const file = join(scratch, 'values.json');
    writeFileSync(file, JSON.stringify(values()));
    expect(helm(['lint', '--strict', CHART, '--values', file])).toMatchObject({ status: 0 });
  });

  test('is not there unless it is asked for', () => {
    const { output } = template(CHART, {});
    expect(output).not.toContain('injector');
    expect(template(CHART, { gateway: { enabled: false } }).output.match(/^kind: (?!ServiceAccount)/m)).toBeNull();
  });

  test('beside a gateway has objects of its own, which no selector mixes up', () => {
    const manifests = rendered({}, { gateway: { enabled: true }, fullnameOverride: 'tokens' });
    const names = manifests.map(({ kind, metadata }) => `${kind}/${metadata.namespace ?? ''}/${metadata.name}`);
    expect(new Set(names).size).toBe(names.length);
    const labels = manifests.filter(({ kind }) => kind === 'Deployment').map(({ spec }) => spec.template.metadata.labels);
    for (const { spec } of manifests.filter(({ kind }) => kind === 'Service')) {
      const selected = labels.filter((each) => Object.entries(spec.selector).every(([key, value]) => each[key] === value));
      expect(selected).toHaveLength(1);
    }
  });

  test('is tested by "helm test", each Service by its own pod', () => {
    const pods = rendered({}, { gateway: { enabled: true } }).filter(({ kind }) => kind === 'Pod');
    expect(pods.flatMap(manifestProblems)).toEqual([]);
    expect(pods.map(({ spec }) => spec.containers[0].command.at(-1))).toEqual([
      'http://demo-token-broker-probes:9100/livez',
      'http://demo-token-broker-injector:9100/livez',
    ]);
  });

  test('can start where pods without an injector are refused', () => {
    const manifests = rendered();
    expect(only(manifests, 'Deployment').spec.template.metadata.labels['token-broker.io/inject']).toBe('disabled');
    for (const { objectSelector } of webhooks(manifests)) {
      const excluded = objectSelector.matchExpressions.some(
        ({ key, operator, values: words }: Manifest) =>
          key === 'token-broker.io/inject' && (operator === 'DoesNotExist' || (operator === 'NotIn' && words.includes('disabled'))),
      );
      expect(excluded).toBe(true);
    }
  });

  test('asks about pods that ask for it, and no others', () => {
    const [pods, namespaces] = webhooks(rendered());
    expect(pods.rules).toEqual([
      { apiGroups: [''], apiVersions: ['v1'], resources: ['pods'], operations: ['CREATE'], scope: 'Namespaced' },
    ]);
    expect(pods).toMatchObject({
      sideEffects: 'None',
      failurePolicy: 'Fail',
      admissionReviewVersions: ['v1'],
      reinvocationPolicy: 'Never',
    });
    expect(namespaces.rules).toEqual(pods.rules);
    const labelled = { key: 'token-broker.io/inject', operator: 'Exists' };
    expect(pods.objectSelector.matchExpressions).toContainEqual(labelled);
    expect(namespaces.namespaceSelector.matchExpressions).toContainEqual(labelled);
    expect(namespaces.objectSelector.matchExpressions).toEqual([{ ...labelled, operator: 'DoesNotExist' }]);
  });

  test('has no rights in the cluster, and none to spare in its pod', () => {
    const manifests = rendered();
    expect(manifests.filter(({ kind }) => /Role/.test(kind))).toEqual([]);
    const { spec } = only(manifests, 'Deployment').spec.template;
    expect(spec.automountServiceAccountToken).toBe(false);
    expect(spec.containers[0].securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 65_532, readOnlyRootFilesystem: true });
  });
});

describe('the certificate of the injector in the chart', () => {
  const HOST = 'demo-token-broker-injector.apps.svc';

  test('is good for the name by which the API server asks, and signed by the CA that it is told', () => {
    const manifests = rendered();
    const { data, type } = only(manifests, 'Secret');
    const [authority, leaf] = ['ca.crt', 'tls.crt'].map((name) => new X509Certificate(Buffer.from(data[name], 'base64')));
    expect(type).toBe('kubernetes.io/tls');
    expect(leaf?.checkIssued(authority as X509Certificate)).toBe(true);
    expect(leaf?.verify((authority as X509Certificate).publicKey)).toBe(true);
    const { service, caBundle } = webhooks(manifests)[0].clientConfig;
    expect(leaf?.checkHost(`${service.name}.${service.namespace}.svc`)).toBe(HOST);
    expect(caBundle).toBe(data['ca.crt']);
    expect(only(manifests, 'Deployment').spec.template.spec.volumes[1].secret.secretName).toBe(only(manifests, 'Secret').metadata.name);
  });

  test('is asked of cert-manager, which then tells the API server its CA', () => {
    const manifests = rendered({ certificate: { issuerRef: { name: 'internal', kind: 'ClusterIssuer' } } });
    const { apiVersion, metadata, spec } = only(manifests, 'Certificate');
    expect([apiVersion, spec.dnsNames, spec.issuerRef]).toEqual([
      'cert-manager.io/v1',
      [HOST],
      { name: 'internal', kind: 'ClusterIssuer' },
    ]);
    expect(only(manifests, 'MutatingWebhookConfiguration').metadata.annotations).toEqual({
      'cert-manager.io/inject-ca-from': `apps/${metadata.name}`,
    });
    expect(webhooks(manifests)[0].clientConfig.caBundle).toBeUndefined();
    expect(only(manifests, 'Deployment').spec.template.spec.volumes[1].secret.secretName).toBe(spec.secretName);
  });

  test('that is there needs its CA to be told', () => {
    const { status, output } = template(CHART, values({ certificate: { secretName: 'injector-tls' } }));
    expect([status, output]).toEqual([1, expect.stringContaining('injector.certificate.caBundle is needed')]);
  });
});

describe('a sidecar of the injector', () => {
  test('is the very container, with the very volumes, that an app chart gets', async () => {
    const app = join(scratch, 'app/examples/app-chart');
    mkdirSync(app, { recursive: true });
    for (const folder of ['charts', 'examples/app-chart'])
      cpSync(join(projectRoot, folder), join(scratch, 'app', folder), { recursive: true });
    expect(helm(['dependency', 'update', app])).toMatchObject({ status: 0 });
    const { spec } = only(renderAll(app, { broker: { fullnameOverride: 'token-broker-orders' } }), 'Deployment').spec.template;
    const { sidecars } = await configIn(rendered());
    expect(sidecars['orders']?.container).toEqual(spec.initContainers[0]);
    expect(sidecars['orders']?.volumes).toEqual(spec.volumes);
  });

  test('makes a pod that Kubernetes accepts', async () => {
    const { sidecars } = await configIn(rendered({}, { imagePullSecrets: [{ name: 'pull' }] }));
    const pod = podAsking();
    const verdict = judgePod(podFrom(pod) as Pod, 'shop', sidecars);
    if (verdict.outcome !== 'injected') throw new Error(verdict.reason);
    const result = patched(pod, verdict.patch);
    expect(manifestProblems(result)).toEqual([]);
    expect(result.spec.imagePullSecrets).toEqual([{ name: 'pull' }]);
  });

  test('finds its config in each of its namespaces, and nowhere else', async () => {
    const manifests = rendered();
    const places = sidecarConfigs(manifests).map(({ metadata }) => [metadata.namespace, metadata.name]);
    expect(places).toEqual([
      ['shop', 'token-broker-orders'],
      ['books', 'token-broker-orders'],
    ]);
    const { sidecars } = await configIn(manifests);
    expect(sidecars['orders']?.volumes[0]).toEqual({ name: 'token-broker-config', configMap: { name: 'token-broker-orders' } });
    expect(sidecars['orders']?.namespaces).toEqual(['shop', 'books']);
    expect(sidecarConfigs(rendered({ configMaps: false }))).toEqual([]);
  });

  test('has a config that the broker accepts', async () => {
    const folder = mkdtempSync(join(scratch, 'sidecar-'));
    const [configMap] = sidecarConfigs(rendered());
    writeFileSync(join(folder, 'client-secret'), 'a-secret', { mode: 0o600 });
    writeFileSync(
      join(folder, 'sidecar.config.json'),
      configMap.data['sidecar.config.json'].replace('/run/secrets/token-broker/orders', folder),
    );
    const { config, warnings } = await loadConfig(join(folder, 'sidecar.config.json'));
    expect([warnings, config.probes.address]).toEqual([[], { kind: 'tcp', host: '0.0.0.0', port: 9100 }]);
  });

  test.each([
    ['an unknown key', { sidecars: { orders: { namespace: 'shop' } } }, 'namespace'],
    ['a pattern of namespaces', { sidecars: { orders: { namespaces: ['*'] } } }, 'namespaces'],
    ['an unknown key of its config', { sidecars: { orders: { config: { listener: {} } } } }, 'listener'],
    [
      'a secret in its config',
      { sidecars: { orders: { config: { store: { encryption: { keys: [{ id: 'a', key: 'hunter2' }] } } } } } },
      'key',
    ],
    ['no config', { sidecars: { orders: { namespaces: ['shop'] } } }, 'config'],
    ['a name that no ConfigMap can have', { sidecars: { Orders: {} } }, 'Orders'],
    [
      'probes that kubelet cannot reach',
      { sidecars: { orders: { config: { listeners: {}, probes: { address: '127.0.0.1:9100' } } } } },
      'kubelet cannot reach',
    ],
    ['an unknown policy', { failurePolicy: 'fail' }, 'failurePolicy'],
  ])('is refused with %s', (_name, injector, said) => {
    const { status, output } = template(CHART, { injector: { enabled: true, ...injector } });
    expect(status).not.toBe(0);
    expect(output).toContain(said);
    expect(output).not.toContain('hunter2');
  });
});

test('what helm says of an installation names the sidecars and their namespaces', () => {
  const { status, output } = helm(['install', 'demo', CHART, '--dry-run=client', '--values', '-'], JSON.stringify(values()));
  expect(status).toBe(0);
  expect(output.slice(output.indexOf('NOTES:'))).toContain('orders: shop, books');
});
