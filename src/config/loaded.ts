/** What is left of a config once it was judged: one that can be used, or every problem with it. */

import type { LoadedSecrets } from './load-secrets.ts';
import { ConfigError, type ConfigProblem, type Finding, inOrder } from './problem.ts';
import type { ConfigSource } from './source.ts';
import { type Watch, type WatchOptions, watchConfig } from './watch.ts';

/** A config that can be used, with all that was worth a warning. */
export interface Loaded<Config> {
  readonly config: Config;
  /** As it was named. */
  readonly file: string;
  readonly warnings: readonly ConfigProblem[];
  /** Follows the files of the secrets, and the config itself, until `stop()`. */
  watch(options?: WatchOptions): Watch;
}

/** What was found in a source. */
export interface Judged<Config> {
  /** `undefined` when nothing can be said about it. */
  readonly config: Config | undefined;
  readonly secrets: LoadedSecrets | undefined;
  /** All but those of the secrets. */
  readonly findings: readonly Finding[];
}

/** Throws `ConfigError` with everything that is wrong. */
export function loadedFrom<Config>(source: ConfigSource, { config, secrets, findings }: Judged<Config>): Loaded<Config> {
  const all = [...findings, ...(secrets?.findings ?? [])];
  const placed = (severity: Finding['severity']) => all.filter((finding) => finding.severity === severity).map(source.place);
  const files = source.layers.map((layer) => layer.file);
  const problems = inOrder([...source.problems, ...placed('problem')], files);
  const warnings = inOrder(placed('warning'), files);
  if (problems.length > 0 || config === undefined || secrets === undefined) throw new ConfigError(problems, warnings);
  return { config, file: source.file, warnings, watch: (options = {}) => watchConfig(source, secrets.files, options) };
}
