/** The last words of a crash say what and where, but quote nothing: Node's own would print messages that may hold secrets. */

import { describeError } from '../telemetry/describe-error.ts';
import type { Log } from '../telemetry/log.ts';
import type { Io } from './io.ts';

const EXIT_CRASHED = 1;

/** For as long as there is no log. */
export function printCrashes(io: Io): (cause: unknown) => void {
  const crash = (cause: unknown) => {
    io.stderr.write(`crashed: ${JSON.stringify(describeError(cause))}\n`);
    io.exit(EXIT_CRASHED);
  };
  process.on('uncaughtException', crash).on('unhandledRejection', crash);
  return crash;
}

export function reportCrashes(log: Log, io: Io): void {
  const crash = (err: unknown) => {
    log.fatal({ err }, 'crashed');
    io.exit(EXIT_CRASHED);
  };
  // Before the one without a log, which is not reached then.
  process.prependListener('uncaughtException', crash).prependListener('unhandledRejection', crash);
}
