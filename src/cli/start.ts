/** `token-broker start`: runs the broker until SIGTERM or SIGINT. */

import { Command } from 'commander';
import { Broker } from '../broker.ts';
import { formatProblem } from '../config/problem.ts';
import { createLog } from '../telemetry/log.ts';
import { configOption, loadOrExit } from './config-option.ts';
import type { Io } from './io.ts';
import { reportCrashes, untilStopped } from './serve.ts';

export function startCommand(io: Io): Command {
  return new Command('start')
    .description('Run the broker until SIGTERM or SIGINT.')
    .addOption(configOption())
    .addHelpText('after', '\nExample:\n  token-broker start -c /etc/token-broker/sidecar.config.json\n')
    .action(async ({ config: file }: { config: string }) => {
      const loaded = await loadOrExit(file, 'start', io);
      if (loaded === undefined) return;
      const log = createLog(loaded.config.log.level);
      reportCrashes(log, io.exit);
      for (const warning of loaded.warnings) log.warn({ at: formatProblem(warning) }, 'config warning');
      const broker = new Broker({ config: loaded.config, log });
      const watch = loaded.watch({
        onProblem: (problem) => {
          broker.countUnusableFile();
          log.error({ at: formatProblem(problem) }, 'a changed file cannot be used: the old content stays');
        },
      });
      try {
        await broker.start();
      } catch (err) {
        log.fatal({ err }, 'cannot start');
        await broker.close();
        return io.exit(1);
      }
      const code = await untilStopped(() => broker.drain(), log);
      watch.stop();
      io.exit(code);
    });
}
