/** `token-broker dev`: the broker with a readable log, and with a `demo` section everything around it. */

import { Command } from 'commander';
import type { LoadedConfig } from '../config/load.ts';
import type { Config } from '../config/schema/root.ts';
import { parseAddress } from '../config/schema/values.ts';
import type { TokenRequest } from '../demo/authorization-server.ts';
import { type Demo, type DemoEvent, startDemo } from '../demo/demo.ts';
import { describeWorkedCall, makeWorkedCall } from '../demo/worked-call.ts';
import { ReloadableBroker } from '../reloadable-broker.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import { configOption, loadOrExit, loadToRun } from './config-option.ts';
import { reportCrashes } from './crash.ts';
import type { Io } from './io.ts';
import { describeOpenCall } from './open-call.ts';
import { createPaint, isColoured, type Paint } from './paint.ts';
import { readableLog } from './readable-log.ts';
import { endOnSignal, serve } from './serve.ts';

export function devCommand(io: Io): Command {
  return new Command('dev')
    .description(
      'Run the broker with a readable log, anew at each change of its config. A "demo" section adds an authorization server and an upstream to try it with.',
    )
    .addOption(configOption())
    .addHelpText('after', '\nExample:\n  token-broker dev -c sidecar.config.json\n')
    .action(async ({ config: file }: { config: string }) => {
      const goOn = endOnSignal(io);
      const loaded = await loadOrExit(file, 'dev', io);
      if (loaded === undefined) return;
      goOn();
      await develop(loaded, io);
    });
}

async function develop(loaded: LoadedConfig, io: Io): Promise<void> {
  const log = createLog(loaded.config.log.level, readableLog(io.stdout, isColoured(io)));
  reportCrashes(log, io);
  const quit = Promise.withResolvers<void>();
  const surroundings = new Surroundings(log, io, loaded.file);
  const broker = new ReloadableBroker({
    log,
    load: () => loadToRun(loaded.file, 'dev', io),
    prepare: ({ config }) => surroundings.prepare(config),
    onStarted: ({ config }, { addresses }) => surroundings.show(config, addresses),
    quit: quit.resolve,
  });
  await serve(broker, {
    start: () => broker.start(loaded),
    cannotStart: (error) => io.stderr.write(`${(error as Error).message}\n`),
    log,
    io,
    quit: quit.promise,
    // It follows its config anyway; at a closed terminal it would keep its ports, seen by nobody.
    hangUp: 'stop',
  });
}

/** What the demo section asks for, anew with each config. */
class Surroundings {
  readonly #log: Log;
  readonly #io: Io;
  readonly #file: string;
  #config: Config | undefined;
  #demo: Demo | undefined;
  #asked: TokenRequest[] = [];

  constructor(log: Log, io: Io, file: string) {
    this.#log = log;
    this.#io = io;
    this.#file = file;
  }

  /** Resolves to what brings back how it was. Rejects when that of the config cannot be had; then it is as it was, too. */
  async prepare(config: Config): Promise<() => Promise<void>> {
    const before = this.#config;
    const bringBack = async () => {
      this.#config = before;
      // What had its place until now may have lost it: the calls to it say so, and the next config has more to be said of.
      await this.#surround(before).catch(() => undefined);
    };
    try {
      await this.#surround(config);
    } catch (error) {
      await bringBack();
      throw error;
    }
    this.#config = config;
    return bringBack;
  }

  async #surround(config: Config | undefined): Promise<void> {
    // Mostly at the same addresses.
    await this.#demo?.close();
    this.#demo = undefined;
    const asked: TokenRequest[] = [];
    this.#asked = asked;
    this.#demo = config?.demo && (await startDemo(config, (event) => noteDemoEvent(event, asked, this.#log)));
  }

  /** Makes the demo's call. Never rejects: the broker is there, whatever becomes of the call. */
  async show(config: Config, addresses: ReadonlyMap<string, string>): Promise<void> {
    const address = parseAddress(addresses.get(config.demo?.call.listener ?? '') ?? '');
    if (address === undefined) return;
    const told = await makeWorkedCall(config, address, this.#asked).then(describeWorkedCall, describeNoCall);
    const status = config.admin.address.kind === 'tcp' ? [`see the life of each token at http://${addresses.get('admin')}/`] : [];
    const last = [...status, `change ${this.#file} and it is taken over; stop with Ctrl-C; each event follows on a line`];
    const paint = createPaint(isColoured(this.#io));
    const lines = [...told, ...describeOpenCall(config, addresses)].map((line) => painted(line, paint));
    this.#io.stdout.write(`\n${lines.join('\n')}\n\n${last.join('\n')}\n\n`);
  }
}

/** What can be typed stands out, and so do the headings of what is told. */
function painted(line: string, paint: Paint): string {
  if (line.startsWith('  curl ')) return paint('green', line);
  return line === '' || line.startsWith(' ') ? line : paint('bold', line);
}

function describeNoCall(cause: unknown): string[] {
  const { code, name } = cause as NodeJS.ErrnoException;
  const reason = name === 'TimeoutError' ? 'no answer in time' : (code ?? name);
  return [`the call of "demo.call" was not answered (${reason}); what stands above says what became of it`];
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
