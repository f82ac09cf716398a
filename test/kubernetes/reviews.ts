/** Reviews as an API server writes them, and what becomes of a pod by the answer. */

import { injectorConfig, type Sidecar } from '../../src/config/schema/injector.ts';

// biome-ignore lint/suspicious/noExplicitAny: a test looks into manifests of every kind; a wrong path fails it.
export type Manifest = any;

/** As the chart writes it; test/packaging/injector-chart.test.ts has the real one. */
export const CONTAINER = { name: 'token-broker', image: 'token-broker-sidecar:0.1.0', restartPolicy: 'Always' };
export const VOLUMES = [
  { name: 'token-broker-config', configMap: { name: 'token-broker-orders' } },
  { name: 'token-broker-orders', secret: { secretName: 'orders-client', defaultMode: 292 } },
];
export const ORDERS = { namespaces: ['shop'], container: CONTAINER, volumes: VOLUMES };

/** The sidecars of a config. */
export function sidecarsOf(sidecars: object): Readonly<Record<string, Sidecar>> {
  const webhook = { tls: { cert: 'cert', key: { fromEnv: 'KEY' } } };
  return injectorConfig.parse({ webhook, sidecars }).sidecars;
}

/** A pod of a Deployment, before it has a name. */
export function podAsking(annotations?: Record<string, string>, spec: object = {}): Manifest {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: {
      generateName: 'web-6d4cf56db6-',
      labels: { app: 'web', 'token-broker.io/inject': 'enabled' },
      ...(annotations && { annotations }),
    },
    spec: { containers: [{ name: 'web', image: 'web:1' }], ...spec },
  };
}

/** What the API server sends for the creation of a pod; `bend` replaces parts of the request. */
export function reviewOf(object: Manifest, bend: object = {}): Manifest {
  return {
    kind: 'AdmissionReview',
    apiVersion: 'admission.k8s.io/v1',
    request: {
      uid: '705ab4f5-6393-11e8-b7cc-42010a800002',
      kind: { group: '', version: 'v1', kind: 'Pod' },
      resource: { group: '', version: 'v1', resource: 'pods' },
      requestKind: { group: '', version: 'v1', kind: 'Pod' },
      requestResource: { group: '', version: 'v1', resource: 'pods' },
      namespace: 'shop',
      operation: 'CREATE',
      userInfo: { username: 'system:serviceaccount:kube-system:replicaset-controller', groups: ['system:authenticated'] },
      object,
      oldObject: null,
      dryRun: false,
      options: { kind: 'CreateOptions', apiVersion: 'meta.k8s.io/v1' },
      ...bend,
    },
  };
}

/** The operations in an answer. */
export function patchIn({ response }: Manifest): Manifest[] {
  return JSON.parse(Buffer.from(response.patch, 'base64').toString());
}

/** Applies a JSON Patch as RFC 6902 says; throws where an API server would refuse it. */
export function patched(object: Manifest, operations: readonly Manifest[]): Manifest {
  const result = structuredClone(object);
  for (const { op, path, value } of operations) {
    if (op !== 'add') throw new Error(`"${op}" is not known here`);
    const steps: string[] = path
      .split('/')
      .slice(1)
      .map((step: string) => step.replaceAll('~1', '/').replaceAll('~0', '~'));
    const last = steps.pop() as string;
    const parent = steps.reduce((at, step) => at?.[step], result);
    if (typeof parent !== 'object' || parent === null) throw new Error(`"${path}" has no parent`);
    if (!Array.isArray(parent)) parent[last] = structuredClone(value);
    else if (last === '-') parent.push(structuredClone(value));
    else if (Number(last) <= parent.length) parent.splice(Number(last), 0, structuredClone(value));
    else throw new Error(`"${path}" is beyond the end`);
  }
  return result;
}
