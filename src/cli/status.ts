/** `token-broker status`: what a running broker knows of itself. */

import { Command } from 'commander';
import type { BrokerStatus } from '../admin/status.ts';
import { type BrokerOptions, jsonIn, NoBroker, type RunningBroker, talk, withBrokerOptions } from './ask-broker.ts';
import type { Io } from './io.ts';
import { createPaint, isColoured } from './paint.ts';
import { describeStatus } from './status-tables.ts';

export function statusCommand(io: Io): Command {
  return withBrokerOptions(new Command('status'))
    .description('Show the tokens, upstreams, authorization servers, listeners and store of a running broker.')
    .option('--json', 'print it as the broker says it, for programs')
    .addHelpText('after', '\nExample:\n  token-broker status -c /etc/token-broker/sidecar.config.json\n')
    .action(({ json, ...options }: BrokerOptions & { json?: true }) =>
      talk(options, io, async (broker) => {
        const status = await statusOf(broker);
        return {
          done: true,
          said: json ? JSON.stringify(status, null, 2) : describeStatus(status, createPaint(isColoured(io))).join('\n'),
        };
      }),
    );
}

/** Rejects with `NoBroker`. */
async function statusOf({ at, ask }: RunningBroker): Promise<BrokerStatus> {
  const answer = await ask({ method: 'GET', path: '/status' });
  const { status, text } = answer;
  if (status === 403) throw new NoBroker(`the broker at ${at} refuses: ${text.trim()}`);
  const shown = status === 200 ? jsonIn<BrokerStatus>(answer) : undefined;
  if (shown?.format === 1) return shown as BrokerStatus;
  throw new NoBroker(
    `what answers at ${at} shows no status that this version knows (${status}); --admin names the "admin.address" of a broker`,
  );
}
