/** `token-broker dev`: the broker with a readable log, started anew when its config changes, and with a `demo` section everything around it. */

import { Command } from 'commander';
import { Broker } from '../broker.ts';
import { type LoadedConfig, loadConfig } from '../config/load.ts';
import { ConfigError, formatProblem } from '../config/problem.ts';
import { parseAddress } from '../config/schema/values.ts';
import type { TokenRequest } from '../demo/authorization-server.ts';
import { type Demo, type DemoEvent, startDemo } from '../demo/demo.ts';
import { describeWorkedCall, makeWorkedCall } from '../demo/worked-call.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import { configOption, loadOrExit } from './config-option.ts';
import type { Io } from './io.ts';
import { readableLog } from './readable-log.ts';
import { reportCrashes, untilStopped } from './serve.ts';

export function devCommand(io: Io): Command {
  return new Command('dev')
    .description(
      'Run the broker with a readable log, anew at each change of its config. A "demo" section adds an authorization server and an upstream to try it with.',
    )
    .addOption(configOption())
    .addHelpText('after', '\nExample:\n  token-broker dev -c sidecar.config.json\n')
    .action(async ({ config: file }: { config: string }) => {
      const loaded = await loadOrExit(file, 'dev', io);
      if (loaded !== undefined) await develop(loaded, io);
    });
}

async function develop(first: LoadedConfig, io: Io): Promise<void> {
  const coloured = (io.stdout as NodeJS.WriteStream).isTTY && io.env['NO_COLOR'] === undefined;
  const log = createLog(first.config.log.level, readableLog(io.stdout, coloured));
  reportCrashes(log, io.exit);
  const session = new Session(first.file, log, io);
  try {
    await session.run(first);
  } catch (error) {
    io.stderr.write(`${(error as Error).message}\n`);
    return io.exit(1);
  }
  io.exit(await untilStopped(() => session.stop(), log));
}

interface Running {
  readonly broker: Broker;
  readonly demo: Demo | undefined;
  readonly stopWatching: () => void;
}

/** What runs at the moment, and its replacement when the config file changes. */
class Session {
  readonly #file: string;
  readonly #log: Log;
  readonly #io: Io;
  #running: Running | undefined;
  #stopped = false;

  constructor(file: string, log: Log, io: Io) {
    this.#file = file;
    this.#log = log;
    this.#io = io;
  }

  /** Starts everything and makes the demo's call. Rejects, with nothing left running, when something cannot be started. */
  async run(loaded: LoadedConfig): Promise<void> {
    const log = this.#log;
    for (const warning of loaded.warnings) log.warn(formatProblem(warning));
    const watch = loaded.watch({
      onProblem: (problem) => log.error(formatProblem(problem)),
      onConfigChange: () => void this.#reload(),
    });
    const asked: TokenRequest[] = [];
    const broker = new Broker({ config: loaded.config, log });
    let demo: Demo | undefined;
    this.#running = { broker, demo, stopWatching: () => watch.stop() };
    try {
      if (loaded.config.demo !== undefined) demo = await startDemo(loaded.config, (event) => noteDemoEvent(event, asked, log));
      this.#running = { ...this.#running, demo };
      await broker.start();
      if (demo !== undefined) await this.#showWorkedCall(loaded, broker, asked);
    } catch (error) {
      await this.stop();
      throw error;
    }
  }

  /** Resolves to the number of requests that were cut. */
  async stop(): Promise<number> {
    this.#stopped = true;
    return this.#end();
  }

  async #end(): Promise<number> {
    const running = this.#running;
    this.#running = undefined;
    running?.stopWatching();
    const cut = (await running?.broker.drain()) ?? 0;
    await running?.demo?.close();
    return cut;
  }

  /** A config that cannot be used leaves the old one running. */
  async #reload(): Promise<void> {
    try {
      const loaded = await loadConfig(this.#file, { env: this.#io.env, use: 'dev' });
      if (this.#stopped) return;
      this.#log.info('config changed: starting anew');
      await this.#end();
      await this.run(loaded);
    } catch (error) {
      if (!(error instanceof ConfigError)) return this.#giveUp(error as Error);
      for (const problem of error.problems) this.#log.error(formatProblem(problem));
      this.#log.warn('the changed config cannot be used: the old one stays');
    }
  }

  #giveUp(error: Error): void {
    this.#io.stderr.write(`${error.message}\n`);
    this.#io.exit(1);
  }

  async #showWorkedCall({ config }: LoadedConfig, broker: Broker, asked: readonly TokenRequest[]): Promise<void> {
    const address = parseAddress(broker.addresses.get(config.demo?.call.listener ?? '') ?? '');
    if (address === undefined) return;
    const call = await makeWorkedCall(config, address, asked);
    this.#io.stdout.write(`\n${describeWorkedCall(call).join('\n')}\n\nstop with Ctrl-C; each event follows on a line\n\n`);
  }
}

function noteDemoEvent(event: DemoEvent, asked: TokenRequest[], log: Log): void {
  if (event.kind === 'token-request') {
    const { grant, clientId, clientAuthentication, status } = event.request;
    if (asked.length < 100) asked.push(event.request);
    log.info({ grant, clientId, clientAuthentication, answered: status }, 'demo authorization server asked');
  } else {
    log.info({ upstreamMethod: event.request.method, upstreamPath: event.request.path }, 'demo upstream called');
  }
}
