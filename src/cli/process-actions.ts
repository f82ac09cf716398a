/** `token-broker reload` and `token-broker quit`: what a running broker is to do as a whole. */

import { Command } from 'commander';
import type { AdminAnswer } from '../admin/admin-request.ts';
import { type BrokerOptions, jsonIn, type Outcome, plain, refusal, talk, withBrokerOptions } from './ask-broker.ts';
import type { Io } from './io.ts';

export function reloadCommand(io: Io): Command {
  return withBrokerOptions(new Command('reload'))
    .description('Have a running broker take its changed config over at once, and say what is wrong where it cannot be used.')
    .addHelpText('after', '\nExample:\n  token-broker reload -c /etc/token-broker/sidecar.config.json\n')
    .action((options: BrokerOptions) =>
      talk(options, io, async ({ ask }) => outcomeOfReload(await ask({ method: 'POST', path: '/reload' }))),
    );
}

export function quitCommand(io: Io): Command {
  return withBrokerOptions(new Command('quit'))
    .description('Have a running broker stop as SIGTERM does: the last step of a Kubernetes Job.')
    .addHelpText('after', '\nExample:\n  token-broker quit -c /etc/token-broker/sidecar.config.json\n')
    .action((options: BrokerOptions) => talk(options, io, async ({ ask }) => outcomeOfQuit(await ask({ method: 'POST', path: '/quit' }))));
}

function outcomeOfReload(answer: AdminAnswer): Outcome {
  const { reloaded, problems = [] } = jsonIn<{ reloaded: boolean; problems: readonly string[] }>(answer) ?? {};
  if (reloaded === true) return { done: true, said: 'config reloaded' };
  if (reloaded === false)
    return { done: false, said: [...problems.map(plain), 'the changed config cannot be used: the old one stays'].join('\n') };
  return refusal(answer);
}

function outcomeOfQuit(answer: AdminAnswer): Outcome {
  const { draining } = jsonIn<{ draining: boolean }>(answer) ?? {};
  return draining === true ? { done: true, said: 'draining: what is in flight is finished, then the broker ends' } : refusal(answer);
}
