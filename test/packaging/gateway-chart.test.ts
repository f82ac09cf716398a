/** The chart as a gateway: who reaches which port, whether "helm test" does, how many pods there are. */

import { describe, expect, test } from '@jest/globals';
import { CHART, type Manifest, manifestProblems, render, renderAll, saysUnknown, servicePorts, template } from './helm.ts';

/** Nobody outside of the pod reaches one of these. */
const INSIDE = {
  loopback: { address: '127.0.0.1:8080', authenticate: ['anonymous'] },
  name: { address: 'app.LocalHost:8081', authenticate: ['anonymous'] },
  longForm: { address: '[0:0:0:0:0:0:0:1]:8082', authenticate: ['anonymous'] },
  socket: { address: 'unix:/run/token-broker/8083', authenticate: ['anonymous'] },
};
const OUTSIDE = { address: '[::]:8443', authenticate: ['basic'], tls: { cert: { fromFile: 'tls.crt' }, key: { fromFile: 'tls.key' } } };

const matches = (selector: Record<string, string>, labels: Record<string, string>) =>
  Object.entries(selector).every(([key, value]) => labels[key] === value);

describe('the Services of a gateway', () => {
  test('keep metrics from those to whom its listeners are open', () => {
    const values = { gateway: { service: { type: 'LoadBalancer', annotations: { 'example.com/public': 'true' } } } };
    const [callers, probes] = renderAll(CHART, values).filter(({ kind }) => kind === 'Service');
    expect([callers.spec.type, callers.spec.ports.map(({ port }: Manifest) => port)]).toEqual(['LoadBalancer', [8443]]);
    expect(probes.spec).toMatchObject({ clusterIP: 'None', ports: [{ name: 'probes', port: 9100 }] });
    expect([probes.spec.type, probes.metadata.annotations]).toEqual([undefined, undefined]);
  });

  test('have the ports that can be reached from outside of the pod', () => {
    const config = { listeners: { ...INSIDE, outside: OUTSIDE } };
    expect(servicePorts({ config })).toEqual({ 'demo-token-broker': [8443], 'demo-token-broker-probes': [9100] });
  });

  test('are not there without such a port, but for probes', () => {
    const values = { config: { listeners: INSIDE } };
    expect(servicePorts(values)).toEqual({ 'demo-token-broker-probes': [9100] });
    expect(renderAll(CHART, values).flatMap(manifestProblems)).toEqual([]);
  });
});

describe('the NetworkPolicy of a gateway', () => {
  const policyOf = (listeners: object, policy: object = {}) =>
    render(CHART, { config: { listeners }, gateway: { networkPolicy: { enabled: true, ...policy } } }).get('NetworkPolicy');

  test('opens the port for probes alone where no listener can be reached from outside of the pod', () => {
    expect(policyOf(INSIDE).spec.ingress).toEqual([{ ports: [{ port: 9100 }] }]);
    expect(manifestProblems(policyOf(INSIDE))).toEqual([]);
  });

  test('has no rule without a port, which would open them all', () => {
    for (const listeners of [{}, INSIDE, { ...INSIDE, outside: OUTSIDE }]) {
      for (const { ports } of policyOf(listeners).spec.ingress) expect(ports.length).toBeGreaterThan(0);
    }
    expect(policyOf({ ...INSIDE, outside: OUTSIDE }).spec.ingress.map(({ ports }: Manifest) => ports)).toEqual([
      [{ port: 8443 }],
      [{ port: 9100 }],
    ]);
  });

  test('lets "helm test" at the probes beside those that it names, and at nothing else', () => {
    const prometheus = { namespaceSelector: { matchLabels: { name: 'monitoring' } } };
    const billing = { podSelector: { matchLabels: { app: 'billing' } } };
    const [callers, probes] = policyOf({}, { from: [billing], probesFrom: [prometheus] }).spec.ingress;
    expect(callers.from).toEqual([billing]);
    expect(probes.from).toEqual([prometheus, { podSelector: { matchLabels: expect.anything() } }]);
    const [, { podSelector }] = probes.from;
    const manifests = render(CHART, {});
    expect(matches(podSelector.matchLabels, manifests.get('Pod').metadata.labels)).toBe(true);
    expect(matches(podSelector.matchLabels, manifests.get('Deployment').spec.template.metadata.labels)).toBe(false);
  });
});

describe('the pod of "helm test"', () => {
  test('is selected by no Service, policy or budget', () => {
    const manifests = renderAll(CHART, { gateway: { networkPolicy: { enabled: true } }, injector: { enabled: true } });
    const pods = manifests.filter(({ kind }) => kind === 'Pod');
    const selectors = manifests.flatMap(({ kind, spec }) => {
      if (kind === 'Service') return [spec.selector];
      return [spec?.podSelector, kind === 'PodDisruptionBudget' ? spec.selector : undefined].flatMap((each) => each?.matchLabels ?? []);
    });
    expect([pods.length, selectors.length]).toEqual([2, 6]);
    for (const { metadata } of pods) expect(selectors.filter((selector) => matches(selector, metadata.labels))).toEqual([]);
  });

  test('runs where what it tests can run, and with the same image, resources and rights', () => {
    const placed = { nodeSelector: { 'kubernetes.io/arch': 'amd64' }, tolerations: [{ key: 'edge', operator: 'Exists' }] };
    const manifests = render(CHART, { gateway: placed, image: { pullPolicy: 'Always' } });
    const { spec } = manifests.get('Pod');
    const [gateway] = manifests.get('Deployment').spec.template.spec.containers;
    expect(spec).toMatchObject(placed);
    for (const field of ['image', 'imagePullPolicy', 'resources', 'securityContext']) {
      expect(spec.containers[0][field]).toEqual(gateway[field]);
    }
  });
});

describe('autoscaling of a gateway', () => {
  const rendered = (autoscaling: object, more: object = {}) =>
    render(CHART, { gateway: { replicas: 1, autoscaling: { enabled: true, ...autoscaling } }, ...more });

  test('leaves the number of pods to the autoscaler, whatever "replicas" says', () => {
    const manifests = rendered({ minReplicas: 3, maxReplicas: 9, targetCPUUtilizationPercentage: 60 });
    expect([...manifests.values()].flatMap(manifestProblems)).toEqual([]);
    const deployment = manifests.get('Deployment');
    expect(deployment.spec).not.toHaveProperty('replicas');
    const { apiVersion, kind, metadata } = deployment;
    expect(manifests.get('HorizontalPodAutoscaler').spec).toEqual({
      scaleTargetRef: { apiVersion, kind, name: metadata.name },
      minReplicas: 3,
      maxReplicas: 9,
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } } }],
    });
  });

  test('is there only where it is asked for', () => {
    const manifests = render(CHART, {});
    expect([manifests.has('HorizontalPodAutoscaler'), manifests.get('Deployment').spec.replicas]).toEqual([false, 2]);
    expect(rendered({}, { gateway: { enabled: false, autoscaling: { enabled: true } } }).has('HorizontalPodAutoscaler')).toBe(false);
  });

  test('comes with a disruption budget, which a single pod does not make hold up its node', () => {
    expect(rendered({ minReplicas: 1 }).get('PodDisruptionBudget').spec).toMatchObject({
      maxUnavailable: 1,
      unhealthyPodEvictionPolicy: 'AlwaysAllow',
    });
  });

  test.each([
    ['more pods at least than at most', {}, { minReplicas: 7 }, /minReplicas is 7, which is more than maxReplicas, 6/],
    ['no CPU that the target could be a part of', { resources: { requests: { cpu: null } } }, {}, /needs resources\.requests\.cpu/],
    ['an unknown key', {}, { min: 2 }, saysUnknown('min')],
    ['no pods at least', {}, { minReplicas: 0 }, /gateway.autoscaling.minReplicas/],
  ])('is refused with %s', (_name, values, autoscaling, said) => {
    const { status, output } = template(CHART, { ...values, gateway: { autoscaling: { enabled: true, ...autoscaling } } });
    expect([status, output]).toEqual([1, expect.stringMatching(said)]);
  });
});
