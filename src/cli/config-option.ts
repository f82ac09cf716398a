/** The `-c FILE` of every command, and what happens when the file cannot be used. */

import { Option } from 'commander';
import { type LoadedConfig, type LoadOptions, loadConfig } from '../config/load.ts';
import { ConfigError, formatProblem } from '../config/problem.ts';
import type { Io } from './io.ts';

export const EXIT_CONFIG_INVALID = 2;

export function configOption(): Option {
  return new Option('-c, --config <file>', 'the config').default('sidecar.config.json');
}

/** The loaded config; with problems: one line each on stderr, exit code 2, and `undefined`. */
export async function loadOrExit(file: string, use: NonNullable<LoadOptions['use']>, io: Io): Promise<LoadedConfig | undefined> {
  try {
    return await loadConfig(file, { env: io.env, use });
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) io.stderr.write(`${formatProblem(problem)}\n`);
    io.exit(EXIT_CONFIG_INVALID);
    return undefined;
  }
}
