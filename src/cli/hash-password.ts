/** `token-broker hash-password`: a password in, the text for `passwordHash` out. */

import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { Command } from 'commander';
import { hashPassword } from '../password-hash.ts';
import type { Io } from './io.ts';

const EXIT_REFUSED = 2;

export function hashPasswordCommand(io: Io): Command {
  return new Command('hash-password')
    .description('Ask for a password (or read one line of stdin) and print what goes in "passwordHash".')
    .addHelpText('after', '\nExamples:\n  token-broker hash-password\n  token-broker hash-password < password.txt\n')
    .allowExcessArguments()
    .action(async (_options: object, { args }: Command) => {
      const { password, refusal } = args.length > 0 ? AS_ARGUMENT : await readPassword(io);
      if (refusal === undefined) io.stdout.write(`${await hashPassword(password)}\n`);
      else io.stderr.write(`${refusal}\n`);
      io.exit(refusal === undefined ? 0 : EXIT_REFUSED);
    });
}

interface Answer {
  readonly password: string;
  /** Why it is not taken. */
  readonly refusal: string | undefined;
}

const AS_ARGUMENT: Answer = {
  password: '',
  refusal:
    'the password stands on the command line, where others on this machine and the history of the shell see it; type it when asked, or give it on stdin',
};

async function readPassword({ stdin, stderr }: Io): Promise<Answer> {
  const isTerminal = (stdin as NodeJS.ReadStream).isTTY === true;
  // Nothing of what is typed is shown: the terminal is in raw mode, and readline's own echo goes nowhere.
  const output = new Writable({ write: (_chunk, _encoding, done) => done() });
  const input = createInterface({ input: stdin, output, terminal: isTerminal, historySize: 0, crlfDelay: Number.POSITIVE_INFINITY });
  const lines = input[Symbol.asyncIterator]();
  const ask = async (question: string) => {
    if (isTerminal) stderr.write(question);
    const { value = '' } = (await lines.next()) as { value?: string };
    if (isTerminal) stderr.write('\n');
    return value;
  };
  try {
    const password = await ask('Password: ');
    const refusal = refusalOf(password) ?? (isTerminal && (await ask('Again: ')) !== password ? 'the two passwords differ' : undefined);
    return { password, refusal };
  } finally {
    input.close();
  }
}

function refusalOf(password: string): string | undefined {
  if (password === '') return 'the password is empty; give one on a line of its own';
  return /\p{Cc}/u.test(password) ? 'the password holds a control character, which no client may send (RFC 7617 §2)' : undefined;
}
