/** Runs the real helm, and tells what Kubernetes would find wrong with what it renders. */

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { validate as webhookConfiguration } from 'kubernetes-models/_schemas/IoK8sApiAdmissionregistrationV1MutatingWebhookConfiguration';
import { validate as deployment } from 'kubernetes-models/_schemas/IoK8sApiAppsV1Deployment';
import { validate as horizontalPodAutoscaler } from 'kubernetes-models/_schemas/IoK8sApiAutoscalingV2HorizontalPodAutoscaler';
import { validate as configMap } from 'kubernetes-models/_schemas/IoK8sApiCoreV1ConfigMap';
import { validate as pod } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Pod';
import { validate as secret } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Secret';
import { validate as service } from 'kubernetes-models/_schemas/IoK8sApiCoreV1Service';
import { validate as serviceAccount } from 'kubernetes-models/_schemas/IoK8sApiCoreV1ServiceAccount';
import { validate as networkPolicy } from 'kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy';
import { validate as podDisruptionBudget } from 'kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget';
import { parseAllDocuments, stringify } from 'yaml';
import { findHelm, projectRoot } from '../../scripts/find-tool.mjs';

export const CHART = join(projectRoot, 'charts/token-broker');

// biome-ignore lint/suspicious/noExplicitAny: a test looks into manifests of every kind; a wrong path fails it.
export type Manifest = any;

interface Validator {
  (data: unknown): boolean;
  errors?: unknown;
}

const VALIDATORS: Readonly<Record<string, unknown>> = {
  'v1/ConfigMap': configMap,
  'v1/Pod': pod,
  'v1/Secret': secret,
  'v1/Service': service,
  'v1/ServiceAccount': serviceAccount,
  'admissionregistration.k8s.io/v1/MutatingWebhookConfiguration': webhookConfiguration,
  'apps/v1/Deployment': deployment,
  'autoscaling/v2/HorizontalPodAutoscaler': horizontalPodAutoscaler,
  'networking.k8s.io/v1/NetworkPolicy': networkPolicy,
  'policy/v1/PodDisruptionBudget': podDisruptionBudget,
};

export interface HelmResult {
  readonly status: number | null;
  /** What it says, on stdout and stderr. */
  readonly output: string;
}

export function helm(args: readonly string[], input = ''): HelmResult {
  const { status, stdout, stderr } = spawnSync(findHelm(), args, { encoding: 'utf8', input });
  return { status, output: `${stdout}${stderr}` };
}

/** `helm template` with these values. */
export function template(chart: string, values: object): HelmResult {
  // Helm reads YAML 1.1, where an unquoted `yes` is true.
  return helm(['template', 'demo', chart, '--namespace', 'apps', '--values', '-'], stringify(values, { version: '1.1' }));
}

/** The rendered manifests by kind, where there is one of each. Throws what helm says when it refuses. */
export function render(chart: string, values: object): Map<string, Manifest> {
  return new Map(renderAll(chart, values).map((manifest) => [manifest.kind, manifest]));
}

/** The rendered manifests. Throws what helm says when it refuses. */
export function renderAll(chart: string, values: object): Manifest[] {
  const { status, output } = template(chart, values);
  if (status !== 0) throw new Error(output);
  const manifests: Manifest[] = parseAllDocuments(output).map((document) => document.toJS());
  return manifests.filter((manifest) => manifest !== null);
}

/** What helm says of a key that is missing: Helm 4, and Helm 3. */
export const saysMissing = (key: string): RegExp => new RegExp(`missing property '${key}'|${key} is required`);

/** What helm says of a key that there is not: Helm 4, and Helm 3. */
export const saysUnknown = (key: string): RegExp =>
  new RegExp(`additional properties '${key}' not allowed|Additional property ${key} is not allowed`);

/** The ports of each Service of the chart, by its name. */
export function servicePorts(values: object): Record<string, number[]> {
  const services = renderAll(CHART, values).filter(({ kind }) => kind === 'Service');
  return Object.fromEntries(services.map(({ metadata, spec }) => [metadata.name, spec.ports.map(({ port }: Manifest) => port)]));
}

/** What a Kubernetes API server would refuse: wrong types, missing fields, and fields that there are not. */
export function manifestProblems(manifest: Manifest): string[] {
  const kind = `${manifest.apiVersion}/${manifest.kind}`;
  const validate = VALIDATORS[kind] as Validator | undefined;
  if (validate === undefined) return [`no schema for ${kind} in test/packaging/helm.ts`];
  const untouched = new Set<string>();
  if (!validate(watched(manifest, '', untouched))) return [JSON.stringify(validate.errors)];
  return [...untouched].map((path) => `${kind} has no field ${path}`);
}

/** The validators look at each field that they know and at no other: what they did not look at is unknown to Kubernetes. */
function watched(value: unknown, path: string, untouched: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return value.map((entry, index) => watched(entry, `${path}/${index}`, untouched));
  for (const key of Object.keys(value)) untouched.add(`${path}/${key}`);
  const inner = Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, watched(entry, `${path}/${key}`, untouched)]));
  return new Proxy(inner, {
    get(target, key) {
      untouched.delete(`${path}/${String(key)}`);
      return Reflect.get(target, key);
    },
    // A map of free keys, such as labels, is walked.
    ownKeys(target) {
      for (const key of Object.keys(target)) untouched.delete(`${path}/${key}`);
      return Reflect.ownKeys(target);
    },
  });
}
