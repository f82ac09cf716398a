/** The process as commands touch it. What could not be written to stdout makes a command fail, whatever else became of it. */

import process from 'node:process';
import type { Io } from './io.ts';

const EXIT_NOT_WRITTEN = 1;

export function processIo(): Io {
  const { stdout, stderr, stdin, env } = process;
  let isWritten = true;
  const notWritten = ({ code, name }: NodeJS.ErrnoException) => {
    if (isWritten) stderr.write(`stdout cannot be written (${code ?? name})\n`);
    isWritten = false;
  };
  stdout.on('error', notWritten);
  // There is nobody left to tell.
  stderr.on('error', () => {});
  return {
    stdout,
    stderr,
    stdin,
    env,
    exit(code) {
      // Known as soon as it has failed; the event comes after the callback of the write.
      if (stdout.errored !== null) notWritten(stdout.errored);
      process.exit(isWritten ? code : code || EXIT_NOT_WRITTEN);
    },
  };
}
