/** Runs a broker until it is told to stop. */

import type { Log } from '../telemetry/log.ts';

const EXIT_DRAINED = 0;
const EXIT_CUT = 1;

/**
 * Waits for SIGTERM or SIGINT, then drains. Resolves to the exit code: 0 when everything in flight was finished, 1 when the grace ran out.
 * A second signal ends at once.
 *
 * @param drain finishes what is in flight and resolves to the number of requests that were cut
 */
export function untilStopped(drain: () => Promise<number>, log: Log): Promise<number> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = (signal: NodeJS.Signals) => {
      if (stopping) {
        log.warn({ signal }, 'stopping at once');
        return resolve(EXIT_CUT);
      }
      stopping = true;
      log.info({ signal }, 'signal received');
      drain().then(
        (cut) => resolve(cut === 0 ? EXIT_DRAINED : EXIT_CUT),
        (err: unknown) => {
          log.error({ err }, 'stopping failed');
          resolve(EXIT_CUT);
        },
      );
    };
    process.on('SIGTERM', stop).on('SIGINT', stop);
    process.on('SIGHUP', () => {
      log.warn('cannot reload yet: restart to take a changed config');
    });
  });
}

/** The last words of a crash say what and where, but quote nothing: Node's own would print messages that may hold secrets. */
export function reportCrashes(log: Log, exit: (code: number) => void): void {
  const crash = (err: unknown) => {
    log.fatal({ err }, 'crashed');
    exit(1);
  };
  process.on('uncaughtException', crash).on('unhandledRejection', crash);
}
