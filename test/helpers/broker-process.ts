/** The real command in a process of its own, for what only a process shows: signals, exit codes, stdout, several replicas. */

import { spawn } from 'node:child_process';
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { confide, confideTokens } from './eavesdropper.ts';

const SOURCE = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));
const BUNDLE = fileURLToPath(new URL('../../dist/token-broker.js', import.meta.url));

type LogLine = Readonly<Record<string, unknown>>;

export interface ProcessOptions {
  /** An object is completed with an admin address of its own; a text is written as it is. */
  readonly config: Readonly<Record<string, unknown>> | string;
  /** Written beside the config, by name. */
  readonly files?: Readonly<Record<string, string>>;
  /** Made beside the config. */
  readonly folders?: readonly string[];
  readonly command?: 'start' | 'dev' | 'check' | 'injector';
  readonly args?: readonly string[];
  /** Added to the environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Runs the built bundle instead of the sources. */
  readonly built?: boolean;
  /** Instead of the command, which gets no arguments then. */
  readonly program?: string;
  /** Arguments of node itself, such as `['--max-old-space-size=64']`. */
  readonly nodeArgs?: readonly string[];
}

interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface BrokerProcess {
  readonly pid: number;
  /** Holds the config, named `sidecar.config.json`, and the files. */
  readonly directory: string;
  readonly exited: Promise<Exit>;
  stdout(): string;
  stderr(): string;
  /** The lines of stdout that are JSON objects. */
  log(): LogLine[];
  /** Resolves with the first line, past or to come, that has this message and fits; rejects when the process ends without. */
  logged(message: string, fits?: (line: LogLine) => boolean): Promise<LogLine>;
  /** `127.0.0.1:12345` or `unix:/path`, by listener name; `admin` and `probes` are names too. */
  address(listener?: string): string;
  /** `http://127.0.0.1:12345`, by listener name. */
  url(listener?: string, scheme?: 'http' | 'https'): string;
  signal(signal: NodeJS.Signals): void;
  /** Nobody reads stdout any more. */
  stopReading(): void;
  /** Replaces a file by an atomic rename, as deployments do. */
  replace(name: string, content: string): Promise<void>;
  /** SIGKILL where it still runs; removes the directory. */
  close(): Promise<void>;
}

/** Starts the command and resolves when it is ready; rejects with what it said when it ends before. */
export async function startBrokerProcess(options: ProcessOptions): Promise<BrokerProcess> {
  const broker = await spawnBroker(options);
  try {
    await broker.logged('ready');
    return broker;
  } catch (error) {
    await broker.close();
    throw error;
  }
}

/** Starts the command and does not wait: for those that are meant to fail. */
export async function spawnBroker(options: ProcessOptions): Promise<BrokerProcess> {
  const directory = await mkdtemp(join(tmpdir(), 'token-broker-process-'));
  const { config } = options;
  if (typeof config === 'object') confideTokens(config['tokens']);
  confide('of a file of the config', options.files);
  const text = typeof config === 'string' ? config : JSON.stringify({ admin: { address: '127.0.0.1:0' }, ...config });
  const files = { ...options.files, 'sidecar.config.json': text };
  for (const name of options.folders ?? []) await mkdir(join(directory, name));
  for (const [name, content] of Object.entries(files)) await writeFile(join(directory, name), content, { mode: 0o600 });
  const command = [options.built ? BUNDLE : SOURCE, options.command ?? 'start', ...(options.args ?? [])];
  const child = spawn(process.execPath, [...(options.nodeArgs ?? []), ...(options.program === undefined ? command : [options.program])], {
    cwd: directory,
    env: { ...environment(), ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const output = { stdout: new Output(), stderr: new Output() };
  const watchers = new Set<() => void>();
  const happened = () => {
    for (const look of watchers) look();
  };
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream].setEncoding('utf8').on('data', (chunk: string) => {
      output[stream].take(chunk);
      happened();
    });
  }
  let ended = false;
  const exited = new Promise<Exit>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => {
      ended = true;
      happened();
      resolve({ code, signal });
    });
  });
  const log = () => output.stdout.lines();
  const address = (listener = 'local') => {
    const line = output.stdout.find((entry) => entry['msg'] === 'listening' && entry['listener'] === listener);
    if (line === undefined) throw new Error(`"${listener}" does not listen`);
    return String(line['address']);
  };
  return {
    pid: child.pid ?? 0,
    directory,
    exited,
    stdout: () => output.stdout.text(),
    stderr: () => output.stderr.text(),
    log,
    logged: (message, fits = () => true) =>
      new Promise((resolve, reject) => {
        let from = 0;
        const look = () => {
          const found = log().find((line, at) => at >= from && line['msg'] === message && fits(line));
          from = log().length;
          if (found === undefined && !ended) return;
          watchers.delete(look);
          if (found !== undefined) resolve(found);
          else reject(new Error(`the process ended without "${message}": ${output.stdout.text()}${output.stderr.text()}`));
        };
        watchers.add(look);
        look();
      }),
    address,
    url: (listener, scheme = 'http') => `${scheme}://${address(listener)}`,
    signal: (signal) => void child.kill(signal),
    stopReading: () => void child.stdout.destroy(),
    async replace(name, content) {
      await writeFile(join(directory, `${name}.new`), content, { mode: 0o600 });
      await rename(join(directory, `${name}.new`), join(directory, name));
    },
    async close() {
      if (!ended) child.kill('SIGKILL');
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

/** Jest's own settings would change how the child behaves. */
function environment(): NodeJS.ProcessEnv {
  const { NODE_OPTIONS: _options, NODE_ENV: _mode, JEST_WORKER_ID: _worker, FORCE_COLOR: _colour, ...rest } = process.env;
  return rest;
}

/** What a process says: gathered as it comes, read only when somebody asks, since a soak says a hundred megabytes that nobody does. */
class Output {
  readonly #chunks: string[] = [];
  readonly #lines: LogLine[] = [];
  #read = 0;
  #rest = '';

  take(chunk: string): void {
    this.#chunks.push(chunk);
  }

  text(): string {
    return this.#chunks.join('');
  }

  lines(): LogLine[] {
    while (this.#read < this.#chunks.length) this.#readChunk();
    return this.#lines;
  }

  /** Reads no further than it has to. */
  find(fits: (line: LogLine) => boolean): LogLine | undefined {
    for (let found = this.#lines.find(fits); ; found = this.#lines.find(fits)) {
      if (found !== undefined || this.#read === this.#chunks.length) return found;
      this.#readChunk();
    }
  }

  #readChunk(): void {
    const lines = (this.#rest + this.#chunks[this.#read]).split('\n');
    this.#read += 1;
    this.#rest = lines.pop() as string;
    for (const line of lines) if (line.startsWith('{')) this.#lines.push(JSON.parse(line) as LogLine);
  }
}
