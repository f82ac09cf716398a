/** The last words of a crash say what and where, but quote nothing: Node's own would print messages that may hold secrets. */

import { describeError } from '../telemetry/describe-error.ts';
import type { Log } from '../telemetry/log.ts';
import type { Io } from './io.ts';

const EXIT_CRASHED = 1;

/** For as long as there is no log. */
export function printCrashes(io: Io): (cause: unknown) => void {
  const crash = (cause: unknown) => {
    print('crashed', cause, io);
    io.exit(EXIT_CRASHED);
  };
  process.on('uncaughtException', crash).on('unhandledRejection', crash);
  return crash;
}

export function reportCrashes(log: Log, io: Io): void {
  const crash = (err: unknown) => {
    log.fatal({ err }, 'crashed');
    printUnheard('crashed', err, log, io);
    io.exit(EXIT_CRASHED);
  };
  // Before the one without a log, which is not reached then.
  process.prependListener('uncaughtException', crash).prependListener('unhandledRejection', crash);
}

/** What a silent log has not said: no process fails without a word. */
export function printUnheard(what: string, err: unknown, log: Log, io: Io): void {
  if (!log.isLevelEnabled('fatal')) print(what, err, io);
}

function print(what: string, cause: unknown, { stderr }: Io): void {
  stderr.write(`${what}: ${JSON.stringify(describeError(cause))}\n`);
}
