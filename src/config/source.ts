/** A config as one value: its file, merged over the files that it extends. */

import { dirname, isAbsolute, join, resolve } from 'node:path';
import { type Layer, layerFrom } from './layer.ts';
import { merged } from './merge.ts';
import { type ConfigPath, childOf, isObject } from './path.ts';
import { ConfigError, type ConfigProblem, type Finding, problem } from './problem.ts';
import { NOT_UTF8, readTextFile } from './read-file.ts';

export interface ConfigSource {
  /** As it was named. */
  readonly file: string;
  /** Every file of the chain: the config itself, the one that it extends, and so on. */
  readonly layers: readonly Layer[];
  readonly raw: unknown;
  /** What was left out of `raw`, and why. */
  readonly problems: readonly ConfigProblem[];
  /** Gives a finding its file, line and column. */
  place(finding: Finding): ConfigProblem;
  /** In which file a value stands: relative paths begin at its directory. */
  fileOf(path: ConfigPath): string;
}

/** Nobody keeps an overview of more. */
const MOST_FILES = 8;

/** Reads and parses the chain. Throws `ConfigError` when one of its files cannot be read or is not JSON with comments. */
export async function readSource(file: string): Promise<ConfigSource> {
  const layers = [
    await readLayer(file, (fault) => ({
      file,
      line: 1,
      column: 1,
      path: '',
      message: `${fault}; ${wayOutOf(fault, 'name the config with -c FILE')}`,
    })),
  ];
  for (let named = basis(layers); named !== undefined; named = basis(layers)) {
    const above = layers.at(-1) as Layer;
    layers.push(
      await readLayer(named, (fault) => above.place(problem(['extends'], `names a file that ${fault}; ${wayOutOf(fault, RELATIVE)}`))),
    );
  }
  const layerOf = (path: ConfigPath) => layerWith(layers, path);
  return {
    file,
    layers,
    raw: layers.map(withoutOwnKeys).reduceRight((below, above) => merged(below, above)),
    problems: layers.flatMap(({ problems }) => problems),
    place: (finding) => layerOf(finding.path).place(finding),
    fileOf: (path) => layerOf(path).file,
  };
}

const RELATIVE = 'relative paths begin at the directory of the file that names it';

/** A file of the wrong kind is the right one, mostly: an editor has saved it so. */
function wayOutOf(fault: string, otherwise: string): string {
  return fault === NOT_UTF8 ? 'save it as UTF-8' : otherwise;
}

async function readLayer(file: string, unreadable: (fault: string) => ConfigProblem): Promise<Layer> {
  const content = await readTextFile(file);
  if (content.fault !== undefined) throw new ConfigError([unreadable(content.fault)]);
  return layerFrom(file, content.text, content.fingerprint);
}

/** The file that the last layer extends. Throws `ConfigError` where it cannot be meant. */
function basis(layers: readonly Layer[]): string | undefined {
  const last = layers.at(-1) as Layer;
  const refuse = (path: ConfigPath, message: string) => new ConfigError([last.place(problem(path, message))]);
  if (layers.length > 1 && !isObject(last.raw)) throw refuse([], 'is no config: it must be an object');
  const named = childOf(last.raw, 'extends');
  if (named === undefined) return undefined;
  if (typeof named !== 'string' || named === '') throw refuse(['extends'], 'is not the path of a file; give one as a string, or remove it');
  const file = isAbsolute(named) ? named : join(dirname(last.file), named);
  const files = layers.map((layer) => layer.file);
  const circle = files.findIndex((earlier) => resolve(earlier) === resolve(file));
  if (circle !== -1)
    throw refuse(['extends'], `closes a circle: ${[...files.slice(circle), file].join(' -> ')}; remove it from one of them`);
  if (files.length === MOST_FILES) throw refuse(['extends'], `makes a chain of more than ${MOST_FILES} files; put some of them together`);
  return file;
}

/** What says something of its own file is not merged. */
function withoutOwnKeys({ raw }: Layer, index: number): unknown {
  if (!isObject(raw)) return raw;
  const { extends: _, ...rest } = raw;
  if (index > 0) delete rest['$schema'];
  return rest;
}

/** Whose value counts; for what stands nowhere, that of the nearest object around it. */
function layerWith(layers: readonly Layer[], path: ConfigPath): Layer {
  for (let length = path.length; length > 0; length--) {
    const found = layers.find((layer) => layer.has(path.slice(0, length)));
    if (found !== undefined) return found;
  }
  return layers[0] as Layer;
}
