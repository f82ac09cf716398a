#!/usr/bin/env node
/** The `token-broker` command. */

import { Command, CommanderError } from 'commander';
import packageJson from '../../package.json' with { type: 'json' };
import { checkCommand } from './check.ts';
import { printCrashes } from './crash.ts';
import { devCommand } from './dev.ts';
import { explainCommand } from './explain.ts';
import { hashPasswordCommand } from './hash-password.ts';
import { initCommand } from './init.ts';
import { injectorCommand } from './injector.ts';
import { quitCommand, reloadCommand } from './process-actions.ts';
import { processIo } from './process-io.ts';
import { schemaCommand } from './schema.ts';
import { startCommand } from './start.ts';
import { statusCommand } from './status.ts';
import { tokenCommand } from './token.ts';
import { tokenActionCommand } from './token-actions.ts';

const EXIT_USAGE = 2;

const io = processIo();
const crash = printCrashes(io);

const program = new Command('token-broker')
  .description('Authenticates legacy callers and puts OAuth access tokens on their outbound requests.')
  .version(packageJson.version)
  .showHelpAfterError('(token-broker --help shows what there is)');
for (const create of [initCommand, startCommand, devCommand, checkCommand, explainCommand, tokenCommand]) program.addCommand(create(io));
for (const action of ['renew', 'purge'] as const) program.addCommand(tokenActionCommand(action, io));
for (const create of [reloadCommand, quitCommand, statusCommand, injectorCommand, hashPasswordCommand, schemaCommand])
  program.addCommand(create(io));
program.exitOverride();
for (const command of program.commands)
  command.exitOverride().showHelpAfterError(`(token-broker ${command.name()} --help shows how it is used)`);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) io.exit(error.exitCode === 0 ? 0 : EXIT_USAGE);
  else crash(error);
}
