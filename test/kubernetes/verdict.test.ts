import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type Pod, podFrom } from '../../src/kubernetes/pod.ts';
import { judgePod, type Verdict } from '../../src/kubernetes/verdict.ts';
import { manifestProblems } from '../packaging/helm.ts';
import { CONTAINER, type Manifest, ORDERS, patched, podAsking, sidecarsOf, VOLUMES } from './reviews.ts';

const one = sidecarsOf({ orders: ORDERS });
const several = sidecarsOf({ orders: ORDERS, ledger: { ...ORDERS, namespaces: ['shop', 'books'] }, closed: { container: CONTAINER } });

const judge = (pod: Manifest, namespace = 'shop', sidecars = one): Verdict => judgePod(podFrom(pod) as Pod, namespace, sidecars);
const podOf = (containers: number, annotations?: Record<string, string>): Manifest =>
  podAsking(annotations, { containers: Array.from({ length: containers }, (_, index) => ({ name: `c${index}` })) });
const reasonOf = (verdict: Verdict) => ('reason' in verdict ? verdict.reason : '');

/** The pod as it is after the answer. */
function patchedOf(pod: Manifest, sidecars = one): Manifest {
  const verdict = judge(pod, 'shop', sidecars);
  if (verdict.outcome !== 'injected') throw new Error(verdict.reason);
  return patched(pod, verdict.patch);
}

describe('a pod that asks for a sidecar', () => {
  test('gets the container first, its volumes last, a note of it, and nothing else', () => {
    const pod = podAsking({ team: 'web' }, { initContainers: [{ name: 'migrate' }], volumes: [{ name: 'data', emptyDir: {} }] });
    expect(patchedOf(pod)).toEqual({
      ...pod,
      metadata: { ...pod.metadata, annotations: { team: 'web', 'token-broker.io/injected': 'orders' } },
      spec: {
        ...pod.spec,
        initContainers: [CONTAINER, { name: 'migrate' }],
        volumes: [{ name: 'data', emptyDir: {} }, ...VOLUMES],
      },
    });
  });

  test.each([
    ['absent', {}],
    ['null, as Go writes them', { initContainers: null, volumes: null, imagePullSecrets: null }],
    ['empty', { initContainers: [], volumes: [], imagePullSecrets: [] }],
  ])('gets it where the lists are %s', (_name, lists) => {
    const { spec } = patchedOf(podAsking(undefined, lists), sidecarsOf({ orders: { ...ORDERS, imagePullSecrets: [{ name: 'pull' }] } }));
    expect(spec.initContainers).toEqual([CONTAINER]);
    expect(spec.volumes).toEqual(VOLUMES);
    expect(spec.imagePullSecrets).toEqual([{ name: 'pull' }]);
  });

  test('keeps its own secrets for fetching images, each once', () => {
    const sidecars = sidecarsOf({ orders: { ...ORDERS, imagePullSecrets: [{ name: 'pull' }, { name: 'own' }] } });
    const pod = podAsking(undefined, { imagePullSecrets: [{ name: 'own' }] });
    expect(patchedOf(pod, sidecars).spec.imagePullSecrets).toEqual([{ name: 'own' }, { name: 'pull' }]);
  });

  test('gets the one that it names', () => {
    expect(judge(podAsking({ 'token-broker.io/sidecar': 'ledger' }), 'shop', several)).toMatchObject({ sidecar: 'ledger' });
    expect(judge(podAsking({ 'token-broker.io/sidecar': 'orders' }), 'shop', several)).toMatchObject({ sidecar: 'orders' });
  });

  test('gets the only one that is open to its namespace without naming it', () => {
    expect(judge(podAsking(), 'books', several)).toMatchObject({ sidecar: 'ledger' });
  });

  test.each(['shareProcessNamespace', 'hostPID'])('is told that others of its containers see the sidecar with %s', (setting) => {
    expect(judge(podAsking(undefined, { [setting]: true }))).toMatchObject({
      outcome: 'injected',
      warnings: [`token-broker: with "${setting}" root in any container reads the secrets of the sidecar`],
    });
    expect(judge(podAsking(undefined, { [setting]: false }))).toMatchObject({ warnings: [] });
  });
});

describe('the variables of a sidecar', () => {
  const sidecars = sidecarsOf({ orders: { ...ORDERS, env: { ORDERS_URL: 'http://127.0.0.1:8080/orders', MODE: 'sidecar' } } });
  const containers = [{ name: 'web' }, { name: 'worker', env: [{ name: 'MODE', value: 'own' }] }, { name: 'idle', env: null }];
  const envOf = (wish: string | undefined) =>
    patchedOf(podAsking(wish === undefined ? undefined : { 'token-broker.io/env': wish }, { containers }), sidecars).spec.containers.map(
      (container: Manifest) => container.env,
    );
  const both = [
    { name: 'ORDERS_URL', value: 'http://127.0.0.1:8080/orders' },
    { name: 'MODE', value: 'sidecar' },
  ];

  test('go to nobody who has not asked', () => {
    expect(envOf(undefined)).toEqual([undefined, containers[1]?.env, null]);
  });

  test('go to the containers that are named', () => {
    expect(envOf('web, idle')).toEqual([both, containers[1]?.env, both]);
  });

  test('leave alone what a container has already', () => {
    expect(envOf('*')).toEqual([both, [{ name: 'MODE', value: 'own' }, both[0]], both]);
  });
});

describe('a pod that is left alone', () => {
  test.each([
    ['it has said so', podAsking(), { labels: { 'token-broker.io/inject': 'disabled' } }, 'is "disabled"'],
    ['it mirrors a static one', podAsking(), { annotations: { 'kubernetes.io/config.mirror': 'x' } }, 'static pod'],
    ['it has the container', podAsking(undefined, { initContainers: [CONTAINER] }), {}, 'has a container "token-broker"'],
    ['it has the container beside its own', podAsking(undefined, { containers: [CONTAINER] }), {}, 'has a container "token-broker"'],
  ])('since %s', (_name, pod, metadata, said) => {
    const verdict = judge({ ...pod, metadata: { ...pod.metadata, ...metadata } });
    expect(verdict.outcome).toBe('left-alone');
    expect(reasonOf(verdict)).toContain(said);
  });

  test('is one that brings the sidecar itself, whatever its namespace may have', () => {
    expect(judge(podAsking(undefined, { initContainers: [CONTAINER] }), 'elsewhere').outcome).toBe('left-alone');
  });
});

describe('a pod that is refused', () => {
  test.each([
    ['a namespace that may have none', podAsking(), 'elsewhere', one, 'namespace "elsewhere" may have no sidecar; have it listed'],
    [
      'an annotation that names none',
      podAsking({ 'token-broker.io/sidecar': 'ordrs' }),
      'shop',
      one,
      'is "ordrs", which namespace "shop" may not have; name one of "orders"',
    ],
    [
      'one that is open to others only',
      podAsking({ 'token-broker.io/sidecar': 'orders' }),
      'books',
      several,
      'is "orders", which namespace "books" may not have; name one of "ledger"',
    ],
    [
      'one that is open to nobody',
      podAsking({ 'token-broker.io/sidecar': 'closed' }),
      'shop',
      several,
      'is "closed", which namespace "shop" may not have',
    ],
    ['a choice that it does not make', podAsking(), 'shop', several, 'may have several sidecars; name one of "orders", "ledger"'],
    ['an empty annotation', podAsking({ 'token-broker.io/sidecar': '' }), 'shop', one, 'is "", which'],
    ['the network of the node', podAsking(undefined, { hostNetwork: true }), 'shop', one, '"hostNetwork" cannot have the sidecar'],
    [
      'variables for a container that is not there',
      podAsking({ 'token-broker.io/env': 'web, wrb' }),
      'shop',
      one,
      'names "wrb", which is no container',
    ],
    ['more containers than a node could run', podOf(1_001), 'shop', one, 'a pod of more than 1000 containers gets no sidecar'],
  ])('for %s', (_name, pod, namespace, sidecars, said) => {
    const verdict = judge(pod, namespace, sidecars);
    expect(verdict.outcome).toBe('refused');
    expect(reasonOf(verdict)).toContain(said);
  });

  test('for a word in its label that means nothing', () => {
    const pod = podAsking();
    pod.metadata.labels['token-broker.io/inject'] = 'true';
    expect(judge(pod)).toEqual({ outcome: 'refused', reason: 'label "token-broker.io/inject" is "true"; write "enabled" or "disabled"' });
  });

  test('is not answered with whatever it writes', () => {
    const verdict = judge(podAsking({ 'token-broker.io/sidecar': `\u001b[31m"\n${'x'.repeat(10_000)}` }));
    expect(reasonOf(verdict)).toMatch(/^[\x20-\x7e…]{0,400}$/);
  });
});

describe('a pod that is as large as an API server takes it', () => {
  // Each name compared with each container held up all other reviews for some minutes.
  test('is judged by looking at each of its words once', () => {
    const last = podOf(1_000, { 'token-broker.io/env': 'c999,'.repeat(600_000) });
    expect(judge(last).outcome).toBe('injected');
  });

  test('has variables for a thousand containers', () => {
    const sidecars = sidecarsOf({ orders: { ...ORDERS, env: { MODE: 'sidecar' } } });
    const { containers } = patchedOf(podOf(1_000, { 'token-broker.io/env': '*' }), sidecars).spec;
    expect(containers.filter(({ env }: Manifest) => env?.length === 1)).toHaveLength(1_000);
  });
});

describe('any pod', () => {
  const name = fc.stringMatching(/^[a-z]([a-z0-9-]{0,8}[a-z0-9])?$/);
  const maybe = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: undefined, freq: 3 });
  const env = fc.array(fc.record({ name: fc.constantFrom('MODE', 'ORDERS_URL', 'A'), value: fc.string() }), { maxLength: 3 });
  const container = fc
    .record({ name, image: name, env: maybe(env) })
    .map(({ env: variables, ...rest }) => ({ ...rest, ...(variables && { env: variables }) }));
  const volume = fc.record({ name, emptyDir: fc.constant({}) });
  const texts = fc.dictionary(fc.oneof(name, fc.constantFrom('a/b', 'a~b', 'token-broker.io/injected')), fc.string(), { maxKeys: 4 });
  const pods = fc
    .record({
      annotations: maybe(texts),
      env: maybe(fc.constantFrom('*', '')),
      initContainers: maybe(fc.array(container, { maxLength: 3 })),
      containers: fc.array(container, { minLength: 1, maxLength: 3 }),
      volumes: maybe(fc.array(volume, { maxLength: 3 })),
      imagePullSecrets: maybe(fc.array(fc.record({ name: fc.constantFrom('pull', 'own') }), { maxLength: 2 })),
    })
    .map(({ annotations, env: wish, ...spec }) => {
      const all = wish === undefined ? annotations : { ...annotations, 'token-broker.io/env': wish };
      return podAsking(all, Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined)));
    });
  const sidecars = sidecarsOf({
    orders: { ...ORDERS, imagePullSecrets: [{ name: 'pull' }], env: { MODE: 'sidecar', ORDERS_URL: 'http://127.0.0.1:8080' } },
  });

  test('is one that Kubernetes accepts afterwards, with all that it had; asking again changes nothing', () => {
    fc.assert(
      fc.property(pods, (pod) => {
        const result = patchedOf(pod, sidecars);
        expect(manifestProblems(result)).toEqual([]);
        expect(result.spec.initContainers).toEqual([CONTAINER, ...(pod.spec.initContainers ?? [])]);
        expect(result.spec.volumes).toEqual([...(pod.spec.volumes ?? []), ...VOLUMES]);
        expect(result.metadata.annotations).toEqual({ ...pod.metadata.annotations, 'token-broker.io/injected': 'orders' });
        for (const [index, before] of pod.spec.containers.entries())
          expect(result.spec.containers[index]).toMatchObject({
            ...before,
            ...(before.env && { env: expect.arrayContaining(before.env) }),
          });
        expect(judge(result, 'shop', sidecars).outcome).toBe('left-alone');
      }),
    );
  });
});
