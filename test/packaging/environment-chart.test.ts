/** The variables that the chart gives its containers: to each the same way, and only its own. */

import { describe, expect, test } from '@jest/globals';
import { CHART, type Manifest, manifestProblems, renderAll, saysMissing, saysUnknown, template } from './helm.ts';

const GIVEN = {
  extraEnv: [
    { name: 'NODE_IP', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } },
    { name: 'OTEL_EXPORTER_OTLP_ENDPOINT', value: 'http://$(NODE_IP):4318' },
    { name: 'NODE_USE_SYSTEM_CA', value: '1' },
  ],
  extraEnvFrom: [{ configMapRef: { name: 'otel', optional: true } }],
};
const CONFIG = { listeners: { local: { address: '127.0.0.1:8080', authenticate: ['anonymous'] } } };

const rendered = (values: object) => {
  const manifests = renderAll(CHART, values);
  expect(manifests.flatMap(manifestProblems)).toEqual([]);
  return manifests;
};
const containerOf = (manifests: Manifest[], name: string): Manifest => {
  const pods = manifests.filter(({ kind }) => kind === 'Deployment').map(({ spec }) => spec.template.spec);
  return pods.flatMap(({ containers }) => containers).find((container) => container.name === name);
};
const injectedOf = (manifests: Manifest[], name: string): Manifest => {
  const [text] = manifests.flatMap(({ data }) => data?.['injector.config.json'] ?? []);
  return JSON.parse(text).sidecars[name].container;
};
const variablesOf = ({ env, envFrom }: Manifest) => ({ extraEnv: env, extraEnvFrom: envFrom });

describe('variables', () => {
  test('of the values are those of the gateway, behind secrets, which they may name', () => {
    const secrets = { env: { OTEL_EXPORTER_OTLP_HEADERS: { secretName: 'collector', key: 'headers' } } };
    const { env, envFrom } = containerOf(rendered({ ...GIVEN, secrets }), 'token-broker');
    const secret = { name: 'OTEL_EXPORTER_OTLP_HEADERS', valueFrom: { secretKeyRef: { name: 'collector', key: 'headers' } } };
    expect([env, envFrom]).toEqual([[secret, ...GIVEN.extraEnv], GIVEN.extraEnvFrom]);
  });

  test('of the injector are its own', () => {
    const manifests = rendered({ injector: { enabled: true, ...GIVEN } });
    expect(variablesOf(containerOf(manifests, 'injector'))).toEqual(GIVEN);
    expect(variablesOf(containerOf(manifests, 'token-broker'))).toEqual({});
  });

  test('of an injected sidecar are its own, and not those that it brings the application', () => {
    const sidecars = { own: { config: CONFIG, ...GIVEN, env: { ORDERS_URL: 'http://127.0.0.1:8080' } }, other: { config: CONFIG } };
    const manifests = rendered({ injector: { enabled: true, sidecars }, extraEnv: [{ name: 'NODE_OPTIONS', value: '--title=gateway' }] });
    expect(variablesOf(injectedOf(manifests, 'own'))).toEqual(GIVEN);
    expect(variablesOf(injectedOf(manifests, 'other'))).toEqual({});
    expect(variablesOf(containerOf(manifests, 'injector'))).toEqual({});
  });

  test('may be from a ConfigMap alone', () => {
    const { extraEnvFrom } = GIVEN;
    const manifests = rendered({ extraEnvFrom, injector: { enabled: true, extraEnvFrom } });
    for (const name of ['token-broker', 'injector']) expect(variablesOf(containerOf(manifests, name))).toEqual({ extraEnvFrom });
  });

  test.each([
    ['a number, which Kubernetes would refuse', [{ name: 'NODE_USE_SYSTEM_CA', value: 1 }], /extraEnv.0.value.*string/],
    ['a misspelt field', [{ name: 'A', valuefrom: {} }], saysUnknown('valuefrom')],
    ['a name that is none', [{ name: 'A B', value: '' }], /extraEnv.0.name.*pattern/],
    ['no name', [{ value: 'a' }], saysMissing('name')],
    ['a map', { A: 'b' }, /extraEnv.*array/],
  ])('with %s are refused', (_name, extraEnv, said) => {
    const { status, output } = template(CHART, { extraEnv });
    expect([status, output]).toEqual([1, expect.stringMatching(said)]);
  });
});
