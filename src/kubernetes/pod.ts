/** A pod as far as it matters to the injector, read from JSON of which nothing is believed. */

import { printable } from '../config/path.ts';

export interface Container {
  readonly name: string;
  /** Names of the variables that it has. */
  readonly env: readonly string[] | undefined;
}

/** Lists are `undefined` where there are none, which a patch has to know. */
export interface Pod {
  /** For the log: its own, or what it begins with. */
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>> | undefined;
  readonly containers: readonly Container[];
  readonly initContainers: readonly Container[] | undefined;
  /** Names. */
  readonly volumes: readonly string[] | undefined;
  /** Names. */
  readonly imagePullSecrets: readonly string[] | undefined;
  readonly hostNetwork: boolean;
  readonly hostPid: boolean;
  readonly shareProcessNamespace: boolean;
}

/** `undefined` where it has not the form of a pod. */
export function podFrom(raw: unknown): Pod | undefined {
  try {
    return readPod(objectFrom(raw));
  } catch (error) {
    if (error === NO_POD) return undefined;
    throw error;
  }
}

const NO_POD = new Error('not a pod');

function readPod(raw: Raw): Pod {
  const metadata = objectFrom(raw['metadata']);
  const spec = objectFrom(raw['spec']);
  const { name, generateName } = metadata;
  return {
    name: typeof name === 'string' && name !== '' ? printable(name) : `${printable(typeof generateName === 'string' ? generateName : '')}*`,
    labels: textsFrom(metadata['labels']) ?? {},
    annotations: textsFrom(metadata['annotations']),
    containers: listFrom(spec['containers'], containerFrom) ?? [],
    initContainers: listFrom(spec['initContainers'], containerFrom),
    volumes: listFrom(spec['volumes'], nameOf),
    imagePullSecrets: listFrom(spec['imagePullSecrets'], nameOf),
    hostNetwork: spec['hostNetwork'] === true,
    hostPid: spec['hostPID'] === true,
    shareProcessNamespace: spec['shareProcessNamespace'] === true,
  };
}

type Raw = Readonly<Record<string, unknown>>;

function objectFrom(value: unknown): Raw {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw NO_POD;
  return value as Raw;
}

/** `null` is how Go writes a list that is not there. */
function listFrom<Item>(value: unknown, read: (item: Raw) => Item): Item[] | undefined {
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw NO_POD;
  return value.map((item) => read(objectFrom(item)));
}

function textsFrom(value: unknown): Record<string, string> | undefined {
  if (value === undefined || value === null) return undefined;
  const entries = Object.entries(objectFrom(value));
  if (entries.some(([, text]) => typeof text !== 'string')) throw NO_POD;
  return Object.fromEntries(entries) as Record<string, string>;
}

function containerFrom(raw: Raw): Container {
  return { name: nameOf(raw), env: listFrom(raw['env'], nameOf) };
}

function nameOf({ name }: Raw): string {
  return typeof name === 'string' ? name : '';
}
