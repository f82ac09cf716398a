/** The log: one JSON line for each event, on stdout, holding nothing that a log reader must not have. */

import { type DestinationStream, type Logger, pino } from 'pino';
import { describeError } from './describe-error.ts';

export type Log = Logger;

/** @param destination where lines go; default stdout, written in order and flushed at the end of the process */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeError },
  };
  // Synchronous: an asynchronous one, flushed at the end, waits for ever once nobody reads the log any more.
  return pino(options, destination ?? pino.destination({ dest: 1, sync: true }));
}
