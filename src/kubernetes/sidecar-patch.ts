/** The JSON Patch (RFC 6902) that puts a sidecar into a pod, and changes nothing else but what the pod asks for. */

import type { Sidecar } from '../config/schema/injector.ts';
import { INJECTED } from './names.ts';
import type { Container, Pod } from './pod.ts';

export interface Operation {
  readonly op: 'add';
  /** A JSON Pointer (RFC 6901). */
  readonly path: string;
  readonly value: unknown;
}

export interface Wish {
  /** Name of the sidecar. */
  readonly name: string;
  readonly sidecar: Sidecar;
  /** Whether a container of the pod gets the variables of the sidecar. */
  readonly wantsEnv: (container: Container) => boolean;
}

export function sidecarPatch(pod: Pod, { name, sidecar, wantsEnv }: Wish): Operation[] {
  const { container, volumes, imagePullSecrets } = sidecar;
  const missingSecrets = imagePullSecrets.filter((secret) => !pod.imagePullSecrets?.includes(secret.name));
  return [
    // First, so that it serves the other init containers too.
    ...inserted('/spec/initContainers', pod.initContainers, [container], '0'),
    ...inserted('/spec/volumes', pod.volumes, volumes, '-'),
    ...inserted('/spec/imagePullSecrets', pod.imagePullSecrets, missingSecrets, '-'),
    ...pod.containers.flatMap((each, index) => (wantsEnv(each) ? envPatch(each, index, sidecar.env) : [])),
    annotated(pod.annotations, INJECTED, name),
  ];
}

/** What the container has already stays as it is. */
function envPatch({ env }: Container, index: number, wanted: Sidecar['env']): Operation[] {
  const missing = Object.entries(wanted).filter(([name]) => !env?.includes(name));
  const values = missing.map(([name, value]) => ({ name, value }));
  return inserted(`/spec/containers/${index}/env`, env, values, '-');
}

/** An element can be added to a list only where there is one (RFC 6902 §4.1). */
function inserted(path: string, present: readonly unknown[] | undefined, values: readonly unknown[], at: '0' | '-'): Operation[] {
  if (values.length === 0) return [];
  if (present === undefined) return [{ op: 'add', path, value: values }];
  return values.map((value) => ({ op: 'add', path: `${path}/${at}`, value }));
}

function annotated(present: Pod['annotations'], key: string, value: string): Operation {
  if (present === undefined) return { op: 'add', path: '/metadata/annotations', value: { [key]: value } };
  return { op: 'add', path: `/metadata/annotations/${escaped(key)}`, value };
}

/** RFC 6901 §3. */
function escaped(token: string): string {
  return token.replaceAll('~', '~0').replaceAll('/', '~1');
}
