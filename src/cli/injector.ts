/** `token-broker injector`: runs the Kubernetes admission webhook until SIGTERM or SIGINT. */

import { Command, Option } from 'commander';
import { systemClock } from '../clock.ts';
import { loadInjectorConfig } from '../config/load-injector.ts';
import { Injector } from '../kubernetes/injector.ts';
import { createLog } from '../telemetry/log.ts';
import { orExit } from './config-option.ts';
import { printUnheard, reportCrashes } from './crash.ts';
import type { Io } from './io.ts';
import { endOnSignal, serve } from './serve.ts';

export function injectorCommand(io: Io): Command {
  return new Command('injector')
    .description('Run the admission webhook that puts the broker into Kubernetes pods that ask for it, until SIGTERM or SIGINT.')
    .addOption(new Option('-c, --config <file>', 'the config of the injector').default('injector.config.json'))
    .addHelpText('after', '\nExample:\n  token-broker injector -c /etc/token-broker/injector.config.json\n')
    .action(async ({ config: file }: { config: string }) => {
      const goOn = endOnSignal(io);
      const loaded = await orExit(loadInjectorConfig(file, io.env, systemClock), io);
      if (loaded === undefined) return;
      const log = createLog(loaded.config.log.level);
      reportCrashes(log, io);
      const injector = new Injector({ loaded, log, clock: systemClock });
      goOn();
      await serve(injector, {
        start: () => injector.start(),
        cannotStart(err) {
          log.fatal({ err }, 'cannot start');
          printUnheard('cannot start', err, log, io);
        },
        log,
        io,
      });
    });
}
