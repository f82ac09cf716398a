/** `token-broker start`: runs the broker until SIGTERM or SIGINT. */

import { Command } from 'commander';
import { ReloadableBroker } from '../reloadable-broker.ts';
import { createLog } from '../telemetry/log.ts';
import { LogOutput } from '../telemetry/log-output.ts';
import { configOption, loadOrExit, loadToRun } from './config-option.ts';
import { printUnheard, reportCrashes } from './crash.ts';
import type { Io } from './io.ts';
import { endOnSignal, serve } from './serve.ts';

export function startCommand(io: Io): Command {
  return new Command('start')
    .description('Run the broker until SIGTERM or SIGINT; SIGHUP or a changed config make it take the new one over.')
    .addOption(configOption())
    .addHelpText('after', '\nExample:\n  token-broker start -c /etc/token-broker/sidecar.config.json\n')
    .action(async ({ config: file }: { config: string }) => {
      const goOn = endOnSignal(io);
      const loaded = await loadOrExit(file, 'start', io);
      if (loaded === undefined) return;
      const output = new LogOutput();
      const log = createLog(loaded.config.log.level, output);
      reportCrashes(log, io);
      const quit = Promise.withResolvers<void>();
      const load = () => loadToRun(file, 'start', io);
      const broker = new ReloadableBroker({ log, load, droppedLogLines: () => output.dropped, quit: quit.resolve });
      goOn();
      await serve(broker, {
        start: () => broker.start(loaded),
        cannotStart(err) {
          log.fatal({ err }, 'cannot start');
          printUnheard('cannot start', err, log, io);
        },
        log,
        io,
        quit: quit.promise,
      });
    });
}
