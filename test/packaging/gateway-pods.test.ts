/** The pods of a gateway: what they wait for, what rolls them, where they run, how long they get to stop. */

import { describe, expect, test } from '@jest/globals';
import { CHART, helm, type Manifest, manifestProblems, render } from './helm.ts';

const FOLDER = '/run/secrets/token-broker';
const listenerWith = (folder: string) => ({
  address: '0.0.0.0:8443',
  authenticate: ['basic'],
  tls: { cert: { fromFile: `${FOLDER}/${folder}/tls.crt` }, key: { fromFile: `${FOLDER}/${folder}/tls.key` } },
});

const podOf = (values: object): Manifest => {
  const deployment = render(CHART, values).get('Deployment');
  expect(manifestProblems(deployment)).toEqual([]);
  return deployment.spec.template;
};
const secretsOf = (values: object): string[] =>
  podOf(values).spec.volumes.flatMap(({ secret }: Manifest) => (secret === undefined ? [] : [secret.secretName]));

describe('the certificate of "gateway.tlsSecretName"', () => {
  test.each([
    ['by the listener that the chart makes', {}, ['token-broker-tls']],
    ['by a listener of the config', { config: { listeners: { a: listenerWith('tls') } } }, ['token-broker-tls']],
    [
      'perhaps, by a file that the chart does not see',
      { config: { extends: '/etc/fleet.json', listeners: { a: listenerWith('own') } } },
      ['token-broker-tls'],
    ],
    ['by nobody', { config: { listeners: { a: listenerWith('own') } }, secrets: { files: { own: 'own-tls' } } }, ['own-tls']],
    ['and given otherwise', { secrets: { files: { tls: 'own-tls' } } }, ['own-tls']],
  ])('is waited for where it is used: %s', (_name, values, secrets) => {
    expect(secretsOf(values)).toEqual(secrets);
  });
});

describe('a changed config', () => {
  const annotationsOf = (config: object, gateway: object) => podOf({ config, gateway }).metadata.annotations;

  test('leaves the pods alone where they are to take it over by themselves', () => {
    const gateway = { rollOnConfigChange: false };
    expect(podOf({ config: { log: { level: 'debug' } }, gateway })).toEqual(podOf({ gateway }));
    expect(annotationsOf({}, gateway)).toBeUndefined();
    expect(annotationsOf({}, { ...gateway, podAnnotations: { owner: 'payments' } })).toEqual({ owner: 'payments' });
  });

  test('rolls them in any case where it changes their ports', () => {
    const gateway = { rollOnConfigChange: false };
    expect(podOf({ config: { probes: { address: '0.0.0.0:9200' } }, gateway })).not.toEqual(podOf({ gateway }));
  });
});

describe('pods of a gateway', () => {
  test('spread over nodes, but start where there is one only', () => {
    const [constraint, ...others] = podOf({}).spec.topologySpreadConstraints;
    expect(others).toEqual([]);
    expect(constraint).toMatchObject({ topologyKey: 'kubernetes.io/hostname', whenUnsatisfiable: 'ScheduleAnyway' });
    expect(podOf({}).metadata.labels).toMatchObject(constraint.labelSelector.matchLabels);
    expect(podOf({ gateway: { topologySpreadConstraints: [] } }).spec).not.toHaveProperty('topologySpreadConstraints');
  });

  test('are given a minute to start, and killed for late answers only long after they are asked for nothing more', () => {
    const [{ startupProbe, livenessProbe, readinessProbe }] = podOf({}).spec.containers;
    expect([startupProbe.httpGet.path, startupProbe.periodSeconds * startupProbe.failureThreshold]).toEqual(['/readyz', 60]);
    expect([livenessProbe.httpGet.path, readinessProbe.httpGet.path]).toEqual(['/livez', '/readyz']);
    for (const field of ['periodSeconds', 'timeoutSeconds']) expect(livenessProbe[field]).toBeGreaterThan(readinessProbe[field]);
  });

  test('are replaced one behind the other, and never go below their number', () => {
    expect(render(CHART, {}).get('Deployment').spec.strategy).toEqual({ rollingUpdate: { maxUnavailable: 0 } });
  });

  test('get to stop what the values say, and no file of "extends" says more', () => {
    const config = { extends: '/etc/fleet.json', listeners: { a: listenerWith('tls') } };
    const manifests = render(CHART, { config });
    expect(JSON.parse(manifests.get('ConfigMap').data['sidecar.config.json']).shutdown).toEqual({ delay: '5s', grace: '25s' });
    expect(manifests.get('Deployment').spec.template.spec.terminationGracePeriodSeconds).toBe(5 + 25 + 5);
  });

  test.each([
    ['1h30m', 5400],
    ['2m5s500ms', 126],
    ['168h', 604_800],
    ['1ms', 1],
    ['7d', 604_800],
  ])('get %s and some seconds to finish what is in flight, where the config says so', (grace, seconds) => {
    expect(podOf({ config: { shutdown: { grace } } }).spec.terminationGracePeriodSeconds).toBe(5 + seconds + 5);
  });
});

test('what helm says of an installation names the addresses, the Secrets that must be there, and what to type', () => {
  const values = { secrets: { files: { orders: 'orders-client' }, env: { LEDGER: { secretName: 'ledger-client', key: 'secret' } } } };
  const { status, output } = helm(
    ['install', 'demo', CHART, '--namespace', 'apps', '--dry-run=client', '--values', '-'],
    JSON.stringify(values),
  );
  expect(status).toBe(0);
  const said = output.slice(output.indexOf('NOTES:'));
  for (const text of [
    'https://demo-token-broker.apps.svc:8443',
    'kubectl --namespace apps get secret ledger-client orders-client token-broker-tls',
    'kubectl --namespace apps rollout status deployment/demo-token-broker',
    'helm --namespace apps test demo',
    'exec deployment/demo-token-broker -- token-broker check --online',
  ]) {
    expect(said).toContain(text);
  }
});
