/** `token-broker check`: everything that is wrong with a config, at once. */

import { Command, Option } from 'commander';
import { readHtpasswd } from '../config/htpasswd.ts';
import { ConfigError, type ConfigProblem, formatProblem } from '../config/problem.ts';
import type { Config } from '../config/schema/root.ts';
import { configOption, EXIT_CONFIG_INVALID, loadToRun } from './config-option.ts';
import type { Io } from './io.ts';
import { checkOnline, type OnlineResult } from './online-check.ts';

const EXIT_ONLINE_FAILED = 1;

export function checkCommand(io: Io): Command {
  return new Command('check')
    .description('Check the config without starting anything: every problem at once, with its place.')
    .addOption(configOption())
    .addOption(new Option('--format <format>', 'how to print the result').choices(['text', 'json']).default('text'))
    .option(
      '--online',
      'also read metadata, compare clocks, obtain each token, connect to each upstream, read the keys of issuers of callers, and try the store',
    )
    .addHelpText('after', '\nExample:\n  token-broker check -c /etc/token-broker/sidecar.config.json --online\n')
    .action(async ({ config: file, format, online }: { config: string; format: 'text' | 'json'; online?: true }) => {
      const verdict = await judge(file, io);
      const results = online && verdict.config !== undefined ? await checkOnline(verdict.config) : undefined;
      if (format === 'json') printJson(verdict, results, io);
      else printText(file, verdict, results, io);
      // Once all is written: a pipe may hold less than a long list of problems.
      io.stdout.write('', () => io.exit(exitCode(verdict, results)));
    });
}

function exitCode({ config }: Verdict, results: readonly OnlineResult[] | undefined): number {
  if (config === undefined) return EXIT_CONFIG_INVALID;
  return results?.some((result) => !result.ok) ? EXIT_ONLINE_FAILED : 0;
}

interface Verdict {
  /** There is one only when it has no problems. */
  readonly config?: Config;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly ConfigProblem[];
}

async function judge(file: string, io: Io): Promise<Verdict> {
  try {
    const { config, warnings } = await loadToRun(file, 'check', io);
    return { config, problems: [], warnings };
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

function printJson({ config, problems, warnings }: Verdict, online: readonly OnlineResult[] | undefined, { stdout }: Io): void {
  stdout.write(`${JSON.stringify({ valid: config !== undefined, problems, warnings, online }, null, 2)}\n`);
}

function printText(
  file: string,
  { config, problems, warnings }: Verdict,
  online: readonly OnlineResult[] | undefined,
  { stdout, stderr }: Io,
): void {
  for (const problem of problems) stderr.write(`${formatProblem(problem)}\n`);
  for (const warning of warnings) stderr.write(`warning: ${formatProblem(warning)}\n`);
  if (config !== undefined) stdout.write(`${file}: ok (${summary(config)})\n`);
  for (const { ok, what, ms, said } of online ?? [])
    (ok ? stdout : stderr).write(`${ok ? 'ok    ' : 'FAILED'} ${what}: ${said} (${ms}ms)\n`);
}

function summary(config: Config): string {
  const sections = ['listeners', 'callers', 'tokens', 'routes'] as const;
  const counts = sections.map((section) => {
    const ofFile = section === 'callers' && config.callersFile !== undefined ? readHtpasswd(config.callersFile.reveal()) : [];
    const count = Object.keys(config[section]).length + ofFile.length;
    return `${count} ${count === 1 ? section.slice(0, -1) : section}`;
  });
  return counts.join(', ');
}
