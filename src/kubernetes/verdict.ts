/** What becomes of a pod: it gets a sidecar, is left alone, or is refused. */

import { printable } from '../config/path.ts';
import type { Sidecar } from '../config/schema/injector.ts';
import { ENV, INJECT, SIDECAR } from './names.ts';
import type { Pod } from './pod.ts';
import { type Operation, sidecarPatch } from './sidecar-patch.ts';

export type Verdict =
  | { readonly outcome: 'injected'; readonly sidecar: string; readonly patch: readonly Operation[]; readonly warnings: readonly string[] }
  /** `reason` is for people. */
  | { readonly outcome: 'left-alone'; readonly reason: string }
  | { readonly outcome: 'refused'; readonly reason: string };

type Sidecars = Readonly<Record<string, Sidecar>>;

/** Far more than a node could run. Each that wants variables makes the patch longer, and an API server would send two hundred thousand of them. */
const MOST_CONTAINERS = 1_000;

/** The same for the same pod, however often it is asked; a pod that was judged before is left alone. */
export function judgePod(pod: Pod, namespace: string, sidecars: Sidecars): Verdict {
  const reason = reasonToLeaveAlone(pod, sidecars);
  if (reason !== undefined) return { outcome: 'left-alone', reason };
  const choice = chosenSidecar(pod, namespace, sidecars);
  if (typeof choice === 'string') return { outcome: 'refused', reason: choice };
  const wanted = envContainers(pod);
  const fault = labelFault(pod) ?? hostNetworkFault(pod) ?? sizeFault(pod) ?? envFault(pod, wanted);
  if (fault !== undefined) return { outcome: 'refused', reason: fault };
  const wantsEnv = ({ name }: { name: string }) => wanted.has('*') || wanted.has(name);
  const patch = sidecarPatch(pod, { ...choice, wantsEnv });
  return { outcome: 'injected', sidecar: choice.name, patch, warnings: warningsAbout(pod) };
}

function reasonToLeaveAlone({ labels, annotations, containers, initContainers = [] }: Pod, sidecars: Sidecars): string | undefined {
  if (labels[INJECT] === 'disabled') return `its label "${INJECT}" is "disabled"`;
  // What kubelet runs already, from a file of its own: a change here would reach nothing.
  if (annotations?.['kubernetes.io/config.mirror'] !== undefined) return 'it is the mirror of a static pod';
  const names = new Set([...containers, ...initContainers].map(({ name }) => name));
  const present = Object.values(sidecars).find(({ container }) => names.has(container.name));
  return present && `it has a container "${present.container.name}" already`;
}

/** The one that the pod names; without a name the only one that is open to its namespace. Else what is wrong. */
function chosenSidecar({ annotations }: Pod, namespace: string, sidecars: Sidecars): { name: string; sidecar: Sidecar } | string {
  const open = Object.entries(sidecars).filter(([, { namespaces }]) => namespaces.includes(namespace));
  const names = open.map(([name]) => `"${name}"`).join(', ');
  const asked = annotations?.[SIDECAR];
  const [found, another] = asked === undefined ? open : open.filter(([name]) => name === asked);
  if (found !== undefined && another === undefined) return { name: found[0], sidecar: found[1] };
  if (open.length === 0)
    return `namespace "${namespace}" may have no sidecar; have it listed in "sidecars.NAME.namespaces" of the injector, or remove the label "${INJECT}"`;
  if (asked === undefined) return `namespace "${namespace}" may have several sidecars; name one of ${names} in the annotation "${SIDECAR}"`;
  return `annotation "${SIDECAR}" is "${printable(asked)}", which namespace "${namespace}" may not have; name one of ${names}, or have it listed in "sidecars.NAME.namespaces" of the injector`;
}

/** Of another word nobody knows what it was to mean. */
function labelFault({ labels }: Pod): string | undefined {
  const value = labels[INJECT] ?? 'enabled';
  return value === 'enabled' ? undefined : `label "${INJECT}" is "${printable(value)}"; write "enabled" or "disabled"`;
}

function hostNetworkFault({ hostNetwork }: Pod): string | undefined {
  if (!hostNetwork) return undefined;
  return `a pod with "hostNetwork" cannot have the sidecar, whose listeners would be open to the whole node; remove "hostNetwork", or set the label "${INJECT}" to "disabled"`;
}

function sizeFault({ containers }: Pod): string | undefined {
  return containers.length > MOST_CONTAINERS
    ? `a pod of more than ${MOST_CONTAINERS} containers gets no sidecar; make several pods of it, or remove the label "${INJECT}"`
    : undefined;
}

/** Names of containers, or "*". */
function envContainers({ annotations }: Pod): ReadonlySet<string> {
  const names = (annotations?.[ENV] ?? '').split(',').map((name) => name.trim());
  return new Set(names.filter((name) => name !== ''));
}

function envFault({ containers }: Pod, wanted: ReadonlySet<string>): string | undefined {
  const known = new Set(['*', ...containers.map(({ name }) => name)]);
  const unknown = [...wanted].find((name) => !known.has(name));
  return unknown === undefined
    ? undefined
    : `annotation "${ENV}" names "${printable(unknown)}", which is no container of the pod; give names of its containers, or "*"`;
}

/** At most 120 characters each, as the API asks for. */
function warningsAbout({ shareProcessNamespace, hostPid }: Pod): string[] {
  const sharing = [...(shareProcessNamespace ? ['shareProcessNamespace'] : []), ...(hostPid ? ['hostPID'] : [])];
  return sharing.map((setting) => `token-broker: with "${setting}" root in any container reads the secrets of the sidecar`);
}
