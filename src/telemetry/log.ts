/** The log: one JSON line for each event, on stdout, holding nothing that a log reader must not have. */

import { type DestinationStream, type Logger, pino } from 'pino';
import { describeError } from './describe-error.ts';
import { LogOutput } from './log-output.ts';

export type Log = Logger;

/** @param destination where lines go; default stdout */
export function createLog(level: string, destination: DestinationStream = new LogOutput()): Log {
  const options = {
    level,
    base: null,
    timestamp: createTimestamp(),
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeError },
  };
  const log: Log = pino(options, destination);
  if (destination instanceof LogOutput)
    destination.onTakenAgain = (lines) => {
      log.warn({ lines }, 'log lines dropped: nobody took them');
    };
  return log;
}

/** Many lines share a millisecond, whose text is made once. */
function createTimestamp(): () => string {
  let lastAt = Number.NaN;
  let text = '';
  return () => {
    const now = Date.now();
    if (now !== lastAt) {
      lastAt = now;
      text = `,"time":"${new Date(now).toISOString()}"`;
    }
    return text;
  };
}
