/** `token-broker status`: what a running broker knows of itself. */

import { Command } from 'commander';
import type { BrokerStatus } from '../admin/status.ts';
import { adminOption, askBroker, NoBroker } from './ask-broker.ts';
import type { Io } from './io.ts';
import { createPaint, isColoured } from './paint.ts';
import { describeStatus } from './status-tables.ts';

const EXIT_NOT_SHOWN = 1;

export function statusCommand(io: Io): Command {
  return new Command('status')
    .description('Show the tokens, upstreams, authorization servers, listeners and store of a running broker.')
    .addOption(adminOption())
    .option('--json', 'print it as the broker says it, for programs')
    .addHelpText('after', '\nExample:\n  token-broker status --admin http://127.0.0.1:9099\n')
    .action(async ({ admin, json }: { admin: string; json?: true }) => {
      try {
        const status = await statusAt(admin);
        const text = json ? JSON.stringify(status, null, 2) : describeStatus(status, createPaint(isColoured(io))).join('\n');
        // Longer than a pipe holds: ending at once would cut it short.
        io.stdout.write(`${text}\n`, () => io.exit(0));
      } catch (error) {
        if (!(error instanceof NoBroker)) throw error;
        io.stderr.write(`${error.message}\n`);
        io.exit(EXIT_NOT_SHOWN);
      }
    });
}

/** Rejects with `NoBroker`. */
async function statusAt(admin: string): Promise<BrokerStatus> {
  const { status, contentType, text } = await askBroker(admin, { method: 'GET', path: '/status' });
  if (status === 403) throw new NoBroker(`the broker at ${admin} refuses: ${text.trim()}`);
  const shown = status === 200 && contentType === 'application/json' ? read(text) : undefined;
  if (shown?.format === 1) return shown;
  throw new NoBroker(
    `what answers at ${admin} shows no status that this version knows (${status}); --admin names the "admin.address" of a broker`,
  );
}

function read(text: string): BrokerStatus | undefined {
  try {
    return JSON.parse(text) as BrokerStatus;
  } catch {
    return undefined;
  }
}
