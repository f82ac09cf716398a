/** `token-broker renew` and `token-broker purge`: what a running broker is to do with one of its tokens. */

import { Command } from 'commander';
import type { AdminAnswer } from '../admin/admin-request.ts';
import { type BrokerOptions, jsonIn, type Outcome, plain, refusal, talk, withBrokerOptions } from './ask-broker.ts';
import type { Io } from './io.ts';

const DESCRIPTIONS = {
  renew: 'Have a running broker obtain another token at once; the one at hand serves until then.',
  purge: 'Have a running broker drop a token, in its store too; the next request obtains another one.',
} as const;

type Action = keyof typeof DESCRIPTIONS;

export function tokenActionCommand(action: Action, io: Io): Command {
  return withBrokerOptions(new Command(action).argument('<name>', 'under "tokens" in the config'))
    .description(DESCRIPTIONS[action])
    .addHelpText('after', `\nExample:\n  token-broker ${action} orders -c /etc/token-broker/sidecar.config.json\n`)
    .action((name: string, options: BrokerOptions) =>
      talk(options, io, async ({ ask }) => outcomeOf(await ask({ method: 'POST', path: `/tokens/${encodeURIComponent(name)}/${action}` }))),
    );
}

interface Told {
  readonly token: string;
  readonly state: string;
  readonly fingerprint: string;
  readonly secondsLeft: number;
  readonly code: string;
  readonly detail: string;
}

function outcomeOf(answer: AdminAnswer): Outcome {
  const told = jsonIn<Told>(answer);
  if (told?.state === undefined) return refusal(answer);
  const { token, state, fingerprint, secondsLeft, code, detail } = told;
  const facts = [state, fingerprint, secondsLeft === undefined ? undefined : `${Math.floor(secondsLeft)}s left`];
  const said = plain(`${token}: ${facts.filter((fact) => fact !== undefined).join(', ')}`);
  return answer.status === 200 ? { done: true, said } : { done: false, said: plain(`${code}: ${detail} (${said})`) };
}
