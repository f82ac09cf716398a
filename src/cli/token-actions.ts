/** `token-broker renew` and `token-broker purge`: what a running broker is to do with one of its tokens. */

import { Command } from 'commander';
import type { AdminAnswer } from '../admin/admin-request.ts';
import { adminOption, askBroker, NoBroker } from './ask-broker.ts';
import type { Io } from './io.ts';

const EXIT_NOT_DONE = 1;

const DESCRIPTIONS = {
  renew: 'Have a running broker obtain another token at once; the one at hand serves until then.',
  purge: 'Have a running broker drop a token, in its store too; the next request obtains another one.',
} as const;

type Action = keyof typeof DESCRIPTIONS;

export function tokenActionCommand(action: Action, io: Io): Command {
  return new Command(action)
    .argument('<name>', 'under "tokens" in the config')
    .description(DESCRIPTIONS[action])
    .addOption(adminOption())
    .addHelpText('after', `\nExample:\n  token-broker ${action} orders --admin http://127.0.0.1:9099\n`)
    .action(async (name: string, { admin }: { admin: string }) => {
      const { done, said } = await act(action, name, admin);
      (done ? io.stdout : io.stderr).write(`${said}\n`);
      io.exit(done ? 0 : EXIT_NOT_DONE);
    });
}

interface Outcome {
  readonly done: boolean;
  readonly said: string;
}

async function act(action: Action, name: string, admin: string): Promise<Outcome> {
  try {
    return outcomeOf(await askBroker(admin, { method: 'POST', path: `/tokens/${encodeURIComponent(name)}/${action}` }));
  } catch (error) {
    if (!(error instanceof NoBroker)) throw error;
    return { done: false, said: error.message };
  }
}

interface Told {
  readonly token: string;
  readonly state: string;
  readonly fingerprint?: string;
  readonly secondsLeft?: number;
  readonly code?: string;
  readonly detail?: string;
}

function outcomeOf({ status, contentType, text }: AdminAnswer): Outcome {
  if (contentType !== 'application/json') return { done: false, said: `${status}: ${text.trim()}` };
  const { token, state, fingerprint, secondsLeft, code, detail } = JSON.parse(text) as Told;
  const facts = [state, fingerprint, secondsLeft === undefined ? undefined : `${Math.floor(secondsLeft)}s left`];
  const said = `${token}: ${facts.filter((fact) => fact !== undefined).join(', ')}`;
  return status === 200 ? { done: true, said } : { done: false, said: `${code}: ${detail} (${said})` };
}
