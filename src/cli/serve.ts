/** Runs a broker until it is told to stop. */

import type { Log } from '../telemetry/log.ts';
import type { Io } from './io.ts';

const EXIT_DRAINED = 0;
const EXIT_CUT = 1;
const EXIT_NOT_STARTED = 1;

/** Before there is anything to be finished, a signal ends the process. Gives what ends that. */
export function endOnSignal(io: Pick<Io, 'exit'>): () => void {
  const end = () => io.exit(EXIT_DRAINED);
  // The config is about to be read anyway.
  const nothing = () => {};
  process.on('SIGTERM', end).on('SIGINT', end).on('SIGHUP', nothing);
  return () => process.off('SIGTERM', end).off('SIGINT', end).off('SIGHUP', nothing);
}

export interface Served {
  /** Finishes what is in flight and resolves to the number of requests that were cut. */
  drain(): Promise<number>;
  /** Absent where there is nothing to take over. */
  reload?(): Promise<unknown>;
}

export interface Serving {
  readonly start: () => Promise<void>;
  /** Says why it could not be started. */
  readonly cannotStart: (error: unknown) => void;
  readonly log: Log;
  readonly io: Pick<Io, 'exit'>;
  /** See `untilStopped`. */
  readonly quit?: Promise<void>;
  /** What SIGHUP does, which whatever runs at a terminal gets too when that is closed. Default: it reloads. */
  readonly hangUp?: 'stop';
}

/** Starts it, with signals heard before that is done, and ends the process when it has stopped, or could not be started. */
export async function serve(served: Served, { start, cannotStart, log, io, ...rest }: Serving): Promise<void> {
  const stopped = untilStopped(served, { log, ...rest });
  try {
    await start();
  } catch (error) {
    cannotStart(error);
    return io.exit(EXIT_NOT_STARTED);
  }
  io.exit(await stopped);
}

/**
 * Waits for SIGTERM, SIGINT or `quit`, then drains, once it has started; SIGHUP reloads, or does the same. Resolves to the exit code: 0 when everything in flight was finished, 1 when the
 * grace ran out. A second signal ends at once.
 */
function untilStopped(served: Served, { log, quit, hangUp }: Pick<Serving, 'log' | 'quit' | 'hangUp'>): Promise<number> {
  return new Promise((resolve) => {
    let stopping = false;
    const stop = () => {
      if (stopping) return;
      stopping = true;
      served.drain().then(
        (cut) => resolve(cut === 0 ? EXIT_DRAINED : EXIT_CUT),
        (err: unknown) => {
          log.error({ err }, 'stopping failed');
          resolve(EXIT_CUT);
        },
      );
    };
    // Not `stopping`: Kubernetes sends SIGTERM behind a "quit" too, and what is in flight is still to be finished.
    let signalled = false;
    const onSignal = (signal: NodeJS.Signals) => {
      if (signalled) {
        log.warn({ signal }, 'stopping at once');
        return resolve(EXIT_CUT);
      }
      signalled = true;
      log.info({ signal }, 'signal received');
      stop();
    };
    process.on('SIGTERM', onSignal).on('SIGINT', onSignal);
    const reload = (signal: NodeJS.Signals) => {
      log.info({ signal }, 'signal received');
      void served.reload?.();
    };
    process.on('SIGHUP', hangUp === 'stop' ? onSignal : reload);
    void quit?.then(stop);
  });
}
