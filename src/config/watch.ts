/** Follows the files a config is made of by asking for their state: works on every file system, and through symbolic links. */

import { type Clock, systemClock } from '../clock.ts';
import { type FileSecret, fileFault, readSecretFile } from './load-secrets.ts';
import { formatPath } from './path.ts';
import { type ConfigProblem, problem } from './problem.ts';
import { fingerprintOf, NO_FILE } from './read-file.ts';
import type { ConfigSource } from './source.ts';

export interface WatchOptions {
  /** Between two looks. Default 2000: a rotated secret is in use within seconds, at one system call per file and look. */
  readonly intervalMs?: number;
  readonly clock?: Clock;
  /** A changed file cannot be used; its secret keeps the value it has. Told once for each state of the file. */
  readonly onProblem?: (problem: ConfigProblem) => void;
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
  const known = new Map(files.map((entry) => [entry, entry.fingerprint]));
  const knownLayers = new Map(source.layers.map((layer) => [layer, layer.fingerprint]));
  let stopped = false;
  let cancel = clock.after(intervalMs, () => void look());

  async function look(): Promise<void> {
    await Promise.all([...files.map(lookAtSecret), lookAtConfig()]);
    if (!stopped) cancel = clock.after(intervalMs, () => void look());
  }

  async function lookAtSecret(entry: FileSecret): Promise<void> {
    if ((await fingerprintOf(entry.file)) === known.get(entry)) return;
    const content = await readSecretFile(entry.secret, entry.file);
    // Still being written: the next look will find it finished.
    if (stopped || (await fingerprintOf(entry.file)) !== content.fingerprint) return;
    known.set(entry, content.fingerprint);
    if (content.fault !== undefined)
      return onProblem?.(source.place(problem(entry.path, `${fileFault(content.fault)}; the value from before stays in use`)));
    entry.secret.fill(content.text);
    onFilled?.(formatPath(entry.path));
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
