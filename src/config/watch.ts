/** Follows the files a config is made of by asking for their state: works on every file system, and through symbolic links. */

import { type Clock, systemClock } from '../clock.ts';
import { type FileSecret, fileFault, secretIn } from './load-secrets.ts';
import { type ConfigPath, formatPath } from './path.ts';
import { type ConfigProblem, namedElsewhere, problem } from './problem.ts';
import { type FileContent, fingerprintOf, NO_FILE, readTextFile } from './read-file.ts';
import type { ConfigSource } from './source.ts';

export interface WatchOptions {
  /** Between two looks. Default 2000: a rotated secret is in use within seconds, at one system call per file and look. */
  readonly intervalMs?: number;
  readonly clock?: Clock;
  /** A changed file cannot be used; its secrets keep the value they have. Told once for each state of the file. @param otherKeys that name it too */
  readonly onProblem?: (problem: ConfigProblem, otherKeys: readonly string[]) => void;
  /** A changed file is in use. @param key of the config, as in `ConfigProblem.path` */
  readonly onFilled?: (key: string) => void;
  /** The config file is another than the one that was loaded. Told once for each state of the file; not while there is none. */
  readonly onConfigChange?: () => void;
}

export interface Watch {
  /** From now on nothing is filled or told. */
  stop(): void;
}

/** Watches until stopped. Does not keep the process alive. */
export function watchConfig(source: ConfigSource, files: readonly FileSecret[], options: WatchOptions): Watch {
  const { intervalMs = 2000, clock = systemClock, onProblem, onFilled, onConfigChange } = options;
  const entriesByFile = [...Map.groupBy(files, ({ file }) => file)];
  const known = new Map(files.map((entry) => [entry, entry.fingerprint]));
  const knownLayers = new Map(source.layers.map((layer) => [layer, layer.fingerprint]));
  let stopped = false;
  let cancel = clock.after(intervalMs, () => void look());

  async function look(): Promise<void> {
    await Promise.all([...entriesByFile.map(lookAtFile), lookAtConfig()]);
    if (!stopped) cancel = clock.after(intervalMs, () => void look());
  }

  async function lookAtFile([file, entries]: [string, FileSecret[]]): Promise<void> {
    const found = await fingerprintOf(file);
    if (entries.every((entry) => found === known.get(entry))) return;
    const content = await readTextFile(file);
    // Still being written: the next look will find it finished.
    if (stopped || (await fingerprintOf(file)) !== content.fingerprint) return;
    for (const [fault, faulty] of Map.groupBy(entries, (entry) => take(entry, content))) if (fault !== undefined) tell(fault, faulty);
  }

  /** What is wrong with the content, for that secret. */
  function take(entry: FileSecret, content: FileContent): string | undefined {
    known.set(entry, content.fingerprint);
    const taken = secretIn(content, entry.secret);
    if (taken.fault !== undefined) return taken.fault;
    entry.secret.fill(taken.text);
    onFilled?.(formatPath(entry.path));
    return undefined;
  }

  function tell(fault: string, faulty: readonly FileSecret[]): void {
    const [first, ...others] = faulty.map(({ path }) => path) as [ConfigPath, ...ConfigPath[]];
    const text = `${fileFault(fault)}; the value from before stays in use${namedElsewhere(others.length)}`;
    onProblem?.(source.place(problem(first, text)), others.map(formatPath));
  }

  async function lookAtConfig(): Promise<void> {
    const found = await Promise.all(source.layers.map(async (layer) => ({ layer, fingerprint: await fingerprintOf(layer.file) })));
    const changed = found.filter(({ layer, fingerprint }) => fingerprint !== knownLayers.get(layer));
    if (stopped || changed.length === 0) return;
    for (const { layer, fingerprint } of changed) knownLayers.set(layer, fingerprint);
    if (changed.some(({ fingerprint }) => fingerprint !== NO_FILE)) onConfigChange?.();
  }

  return {
    stop() {
      stopped = true;
      cancel();
    },
  };
}
