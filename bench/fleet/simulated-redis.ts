/** What Redis does with the commands of a store, in memory and in simulated time; it counts them. */

import { createHash } from 'node:crypto';
import type { Clock } from '../../src/clock.ts';
import type { StoreCommands } from '../../src/token/store/commands.ts';
import { GAVE_UP } from '../../src/token/store/scripts.ts';

/** A command and its answer, within a zone of a cloud. */
const ROUND_TRIP_MS = 0.5;

export interface SimulatedRedis extends StoreCommands {
  /** Commands so far. */
  readonly count: number;
}

export function simulatedRedis(clock: Clock): SimulatedRedis {
  const values = new Map<string, { text: string; endsAt: number }>();
  const get = (name: string) => {
    const value = values.get(name);
    return value === undefined || value.endsAt <= clock.monotonic() ? undefined : value.text;
  };
  const set = (name: string, text: string, ms: number) => void values.set(name, { text, endsAt: clock.monotonic() + ms });
  const markOf = (text: string | undefined) => (text === undefined ? '' : createHash('sha1').update(text).digest('hex'));
  const leaseOf = (name: string) => `${name}:lease`;
  let count = 0;
  /** The command is carried out half-way. */
  const run = <T>(command: () => T) =>
    new Promise<T>((resolve) => {
      count += 1;
      clock.after(ROUND_TRIP_MS / 2, () => {
        const result = command();
        clock.after(ROUND_TRIP_MS / 2, () => resolve(result));
      });
    });
  return {
    get count() {
      return count;
    },
    read: (name) => run(() => ({ text: get(name) ?? '', mark: markOf(get(name)) })),
    take: (name, mark, holder, ms, outlived) =>
      run(() => {
        if (markOf(get(name)) !== mark) return 'changed';
        const other = get(leaseOf(name));
        if (other !== undefined && other !== outlived) return other;
        set(leaseOf(name), holder, ms);
        return 'held';
      }),
    keep: (name, holder, content, ms) =>
      run(() => {
        if (get(leaseOf(name)) === holder) set(leaseOf(name), content, ms);
      }),
    write: (name, mark, text, ttlMs, holder) =>
      run(() => {
        if (['', mark].includes(markOf(get(name)))) set(name, text, ttlMs);
        if ([holder, GAVE_UP].includes(get(leaseOf(name)) ?? '')) values.delete(leaseOf(name));
      }),
    remove: (name, mark) =>
      run(() => {
        if (markOf(get(name)) === mark) values.delete(name);
      }),
    probe: () => run(() => undefined),
    close: () => Promise.resolve(),
  };
}
