/** The `-c FILE` of every command, and what happens when the file cannot be used. */

import { Option } from 'commander';
import { type LoadedConfig, type LoadOptions, loadConfig } from '../config/load.ts';
import { ConfigError, formatProblem } from '../config/problem.ts';
import type { Io } from './io.ts';
import { missingParts } from './missing-parts.ts';

export const EXIT_CONFIG_INVALID = 2;

export const DEFAULT_CONFIG = 'sidecar.config.json';

export function configOption(): Option {
  return new Option('-c, --config <file>', 'the config').default(DEFAULT_CONFIG);
}

/** A config that is to run here: what this program lacks for it is one of its problems. Rejects with a `ConfigError`. */
export function loadToRun(file: string, use: NonNullable<LoadOptions['use']>, { env }: Pick<Io, 'env'>): Promise<LoadedConfig> {
  return loadConfig(file, { env, use, lacks: missingParts });
}

export function loadOrExit(file: string, use: NonNullable<LoadOptions['use']>, io: Io): Promise<LoadedConfig | undefined> {
  // What only asks about a config needs nothing that runs it.
  return orExit(use === 'check' ? loadConfig(file, { env: io.env, use }) : loadToRun(file, use, io), io);
}

/** The loaded config; with problems: one line each on stderr, exit code 2, and `undefined`. */
export async function orExit<Loaded>(loading: Promise<Loaded>, io: Io): Promise<Loaded | undefined> {
  try {
    return await loading;
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    for (const problem of error.problems) io.stderr.write(`${formatProblem(problem)}\n`);
    io.exit(EXIT_CONFIG_INVALID);
    return undefined;
  }
}
