/** `token-broker init`: a starter config, from flags and from what a person answers. */

import { randomBytes } from 'node:crypto';
import { lstat } from 'node:fs/promises';
import { Command } from 'commander';
import { hashPassword } from '../password-hash.ts';
import { configOption, DEFAULT_CONFIG } from './config-option.ts';
import { Abandoned } from './init/dialogue.ts';
import { gather } from './init/gather.ts';
import { nextSteps } from './init/next-steps.ts';
import { type Answers, flagOf, inFull, QUESTION_NAMES } from './init/questions.ts';
import { starterConfig } from './init/starter-config.ts';
import { writeConfig } from './init/write-config.ts';
import type { Io } from './io.ts';

const EXIT_NOT_WRITTEN = 1;
/** Of randomness: nobody guesses it from its hash. */
const PASSWORD_BYTES = 18;

interface Options extends Partial<Answers> {
  readonly config: string;
  readonly yes?: true;
  readonly force?: true;
  readonly online?: true;
}

export function initCommand(io: Io): Command {
  const command = new Command('init')
    .description('Write a commented starter config. Asks on a terminal for what the flags leave open.')
    .addOption(configOption())
    .option('-y, --yes', 'do not ask: take what stands in brackets for each answer that is not given')
    .option('--force', 'overwrite the config if there is one')
    .option('--online', 'ask the issuer what it supports');
  for (const name of QUESTION_NAMES) command.option(`${flagOf(name)} <text>`, inFull(name));
  return command
    .addHelpText(
      'after',
      '\nExample:\n  token-broker init --upstream https://api.acme.example/v1 --issuer https://login.acme.example --client-id orders-sidecar\n',
    )
    .action(async (options: Options) => io.exit((await init(options, io)) ? 0 : EXIT_NOT_WRITTEN));
}

/** Whether the config was written. */
async function init(options: Options, io: Io): Promise<boolean> {
  const { config: file, yes = false, force = false, online = false, ...flags } = options;
  const refuse = (problem: string) => {
    io.stderr.write(`${problem}\n`);
    return false;
  };
  if (!force && (await isThere(file))) return refuse(existing(file));
  const interactive = !yes && (io.stdin as NodeJS.ReadStream).isTTY === true;
  try {
    const gathered = await gather({ io, flags, interactive, online });
    if ('problems' in gathered) return refuse(gathered.problems.join('\n'));
    await write(gathered.answers, file, force, io);
    return true;
  } catch (error) {
    if (error instanceof Abandoned) return refuse('nothing was written');
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (syscall === undefined) throw error;
    return refuse(code === 'EEXIST' ? existing(file) : `"${file}" cannot be written (${code}); name another with -c FILE`);
  }
}

async function write(answers: Answers, file: string, force: boolean, io: Io): Promise<void> {
  const password =
    answers.authenticate === 'basic' && answers.callersFile === '' ? randomBytes(PASSWORD_BYTES).toString('base64url') : undefined;
  const text = starterConfig(answers, password && (await hashPassword(password)));
  // A hash is for nobody else: whoever puts that of another password there may have chosen a weak one.
  await writeConfig(file, text, { mode: password === undefined ? 0o644 : 0o600, overwrite: force });
  const steps = nextSteps(answers, { file, isDefaultFile: file === DEFAULT_CONFIG, env: io.env });
  const told =
    password === undefined ? '' : `\nThe password of "${answers.caller}", told this once (the config holds its hash):\n  ${password}\n`;
  io.stdout.write(`"${file}" is written.\n${told}\nNext:\n${steps.map((step) => `  ${step}\n`).join('')}`);
}

function existing(file: string): string {
  return `"${file}" is there already; name another with -c FILE, or overwrite it with --force`;
}

async function isThere(file: string): Promise<boolean> {
  return (await lstat(file).catch(() => undefined)) !== undefined;
}
