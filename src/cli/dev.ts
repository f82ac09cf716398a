/** `token-broker dev`: the broker with a readable log and, where the config has a `demo` section, everything around it. */

import { Command } from 'commander';
import { Broker } from '../broker.ts';
import type { LoadedConfig } from '../config/load.ts';
import { formatProblem } from '../config/problem.ts';
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
      'Run the broker with a readable log; with a "demo" section in the config, also an authorization server and an upstream to try it.',
    )
    .addOption(configOption())
    .addHelpText('after', '\nExample:\n  token-broker dev -c sidecar.config.json\n')
    .action(async ({ config: file }: { config: string }) => {
      const loaded = await loadOrExit(file, 'dev', io);
      if (loaded !== undefined) await develop(loaded, io);
    });
}

async function develop(loaded: LoadedConfig, io: Io): Promise<void> {
  const coloured = (io.stdout as NodeJS.WriteStream).isTTY === true && io.env['NO_COLOR'] === undefined;
  const log = createLog(loaded.config.log.level, readableLog(io.stdout, coloured));
  reportCrashes(log, io.exit);
  for (const warning of loaded.warnings) log.warn(formatProblem(warning));
  const asked: TokenRequest[] = [];
  let demo: Demo | undefined;
  const broker = new Broker({ config: loaded.config, log });
  const watch = loaded.watch({ onProblem: (problem) => log.error(formatProblem(problem)) });
  try {
    if (loaded.config.demo !== undefined) demo = await startDemo(loaded.config, (event) => noteDemoEvent(event, asked, log));
    await broker.start();
    if (demo !== undefined) await showWorkedCall(loaded, broker, asked, io);
  } catch (error) {
    io.stderr.write(`${(error as Error).message}\n`);
    await Promise.all([broker.close(), demo?.close()]);
    return io.exit(1);
  }
  const code = await untilStopped(broker, log);
  watch.stop();
  await demo?.close();
  io.exit(code);
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

async function showWorkedCall({ config }: LoadedConfig, broker: Broker, asked: readonly TokenRequest[], io: Io): Promise<void> {
  const address = parseAddress(broker.addresses.get(config.demo?.call.listener ?? '') ?? '');
  if (address === undefined) return;
  const call = await makeWorkedCall(config, address, asked);
  io.stdout.write(`\n${describeWorkedCall(call).join('\n')}\n\nstop with Ctrl-C; each event follows on a line\n\n`);
}
