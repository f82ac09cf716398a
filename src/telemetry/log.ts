/** The log: one JSON line for each event, on stdout, holding nothing that a log reader must not have. */

import { type DestinationStream, type Logger, pino } from 'pino';
import { describeError } from './describe-error.ts';

export type Log = Logger;

/** @param destination where lines go; default stdout, written in order and flushed at the end of the process */
export function createLog(level: string, destination?: DestinationStream): Log {
  const options = {
    level,
    base: null,
    timestamp: createTimestamp(),
    formatters: { level: (label: string) => ({ level: label }) },
    serializers: { err: describeError },
  };
  return pino(options, destination ?? createStdout());
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

/** Characters; a pipe holds as many bytes. */
const MAX_HELD = 64 * 1024;

/** Writes the lines of one turn of the event loop together: a write for each measured a quarter of the CPU time of a proxied request. */
function createStdout(): DestinationStream {
  // Synchronous: an asynchronous one, flushed at the end, waits for ever once nobody reads the log any more.
  const stdout = pino.destination({ dest: 1, sync: true });
  let held = '';
  const flush = () => {
    const lines = held;
    held = '';
    if (lines !== '') stdout.write(lines);
  };
  process.on('exit', flush);
  return {
    write(line) {
      if (held === '') setImmediate(flush);
      held += line;
      if (held.length > MAX_HELD) flush();
    },
  };
}
