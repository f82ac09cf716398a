/** Which running broker a command talks to, by its config or by `--admin URL`, and how that talk ends. */

import { existsSync } from 'node:fs';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { type AdminAnswer, type AdminPlace, type AdminQuestion, ask } from '../admin/admin-request.ts';
import { readAdminAddress } from '../config/admin-address.ts';
import { ConfigError, formatProblem } from '../config/problem.ts';
import { authorityOf, placeOf } from '../wire/place.ts';
import { DEFAULT_CONFIG, EXIT_CONFIG_INVALID } from './config-option.ts';
import type { Io } from './io.ts';

/** Where a broker is asked whose config does not say where. */
const USUAL_PLACE = 'http://127.0.0.1:9099';
const EXIT_NOT_DONE = 1;

/** The end of a talk that leads to nothing; its message is for whoever typed the command. */
export class NoBroker extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = EXIT_NOT_DONE, options?: ErrorOptions) {
    super(message, options);
    this.exitCode = exitCode;
  }
}

export interface BrokerOptions {
  readonly config?: string;
  readonly admin?: string;
}

/** What a command has to say in the end: on stdout, or on stderr where it was not done. */
export interface Outcome {
  readonly done: boolean;
  readonly said: string;
}

export interface RunningBroker {
  /** For messages. */
  readonly at: string;
  /** Rejects with `NoBroker`. */
  ask(question: AdminQuestion): Promise<AdminAnswer>;
}

export function withBrokerOptions(command: Command): Command {
  return command
    .option(
      '-c, --config <file>',
      `the config of the broker, whose "admin.address" is asked (default: "${DEFAULT_CONFIG}" if there is one)`,
    )
    .addOption(new Option('--admin <url>', 'the admin address itself, or unix:PATH; no config is read then').argParser(adminUrl));
}

/** Has the talk, prints what came of it, and ends the process. */
export async function talk(options: BrokerOptions, io: Io, converse: (broker: RunningBroker) => Promise<Outcome>): Promise<void> {
  try {
    const { done, said } = await converse(await findBroker(options));
    // Longer than a pipe holds: ending at once would cut it short.
    (done ? io.stdout : io.stderr).write(`${said}\n`, () => io.exit(done ? 0 : EXIT_NOT_DONE));
  } catch (error) {
    if (!(error instanceof NoBroker)) throw error;
    io.stderr.write(`${error.message}\n`);
    io.exit(error.exitCode);
  }
}

/** What stands in an answer of JSON; `undefined` where it is none. */
export function jsonIn<Shape>({ contentType, text }: AdminAnswer): Partial<Shape> | undefined {
  if (contentType !== 'application/json') return undefined;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
}

const LONGEST_REFUSAL = 300;
const NO_BROKER = 'what answers there does nothing of the kind; --admin names the "admin.address" of a broker';

/** Of an answer that nothing can be read from: a broker refuses in plain text, anybody else may send a whole page. */
export function refusal({ status, contentType, text }: AdminAnswer): Outcome {
  const [line = ''] = contentType.startsWith('text/plain') ? text.trim().split('\n') : [];
  const said = plain(line).slice(0, LONGEST_REFUSAL) || NO_BROKER;
  return { done: false, said: `${status}: ${said}` };
}

/** Without what would move the cursor: whoever answers at an address may be anybody. */
export function plain(text: unknown): string {
  return String(text).replace(/\p{Cc}/gu, '');
}

async function findBroker({ config, admin }: BrokerOptions): Promise<RunningBroker> {
  if (admin !== undefined) return brokerAt(admin, '--admin names its "admin.address"');
  const file = config ?? DEFAULT_CONFIG;
  if (config === undefined && !existsSync(file))
    return brokerAt(USUAL_PLACE, `no "${file}" is here to say where else; name the config with -c FILE, or the address with --admin URL`);
  return brokerAt(
    await adminUrlIn(file),
    `a broker with "${file}" is asked there: start it, or name another with -c FILE or --admin URL, or the address of before where "admin.address" has changed and is not taken over yet`,
  );
}

function brokerAt(at: string, wayOut: string): RunningBroker {
  return {
    at,
    async ask(question) {
      try {
        return await ask(placeIn(at), question);
      } catch (cause) {
        const { code, message } = cause as NodeJS.ErrnoException;
        throw new NoBroker(`no broker answers at ${at} (${code ?? message}); ${wayOut}`, EXIT_NOT_DONE, { cause });
      }
    },
  };
}

/** Whatever else is wrong with the file: a broker that refuses it still runs with the one of before. */
async function adminUrlIn(file: string): Promise<string> {
  const address = await readAdminAddress(file).catch(unreadable);
  if (address.kind === 'unix') return `unix:${address.path}`;
  if (address.port !== 0) return `http://${authorityOf(address)}`;
  throw new NoBroker(
    `"admin.address" of "${file}" takes any free port; the line "listening" in the log of the broker, with "listener": "admin", says which: name it with --admin URL`,
    EXIT_CONFIG_INVALID,
  );
}

function unreadable(cause: unknown): never {
  if (!(cause instanceof ConfigError)) throw cause;
  const lines = [...cause.problems.map(formatProblem), 'the address to ask at is read there; --admin URL names it without a config'];
  throw new NoBroker(lines.join('\n'), EXIT_CONFIG_INVALID, { cause });
}

function adminUrl(text: string): string {
  const isUrl = URL.canParse(text) && new URL(text).protocol === 'http:';
  if (!isUrl && !/^unix:./.test(text)) throw new InvalidArgumentError('write http://HOST:PORT or unix:PATH, as in "admin.address".');
  return text;
}

function placeIn(admin: string): AdminPlace {
  return admin.startsWith('unix:') ? { socketPath: admin.slice('unix:'.length), host: 'localhost' } : placeOf(admin);
}
