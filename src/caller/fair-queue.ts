/** Bounds the checking of credentials: few computations at once, few waiting, and fair to each who asks for it. */

import { BrokerError } from '../errors.ts';

export interface FairQueue {
  /**
   * Runs `task` when its turn comes; lanes take turns, tasks of one lane run in order. Rejects with BROKER_OVERLOADED when
   * too many wait. A full queue makes room for a short lane by dropping the newest task of the longest one, so that a flood
   * in one lane is refused before anybody else is.
   */
  run<Result>(lane: string, task: () => Promise<Result>): Promise<Result>;
}

interface Waiting {
  start(): void;
  drop(): void;
}

/** libuv's pool has 4 threads, which DNS and files need too. */
const MAX_RUNNING = 2;

export function createFairQueue(maxWaiting: number, maxRunning = MAX_RUNNING): FairQueue {
  /** In the order of their turns; never holds an empty lane. */
  const lanes = new Map<string, Waiting[]>();
  let waitingCount = 0;
  let runningCount = 0;

  function admit(lane: string, waiting: Waiting): void {
    const own = lanes.get(lane) ?? [];
    if (waitingCount >= maxWaiting && !dropFromLaneLongerThan(own.length + 1)) {
      waiting.drop();
      return;
    }
    waitingCount += 1;
    own.push(waiting);
    lanes.set(lane, own);
  }

  function dropFromLaneLongerThan(length: number): boolean {
    let longest: Waiting[] = [];
    for (const lane of lanes.values()) if (lane.length > longest.length) longest = lane;
    if (longest.length <= length) return false;
    longest.pop()?.drop();
    waitingCount -= 1;
    return true;
  }

  function startNext(): void {
    const [first] = lanes;
    if (first === undefined || runningCount >= maxRunning) return;
    const [lane, tasks] = first;
    lanes.delete(lane);
    const next = tasks.shift();
    if (tasks.length > 0) lanes.set(lane, tasks);
    waitingCount -= 1;
    runningCount += 1;
    next?.start();
  }

  return {
    async run(lane, task) {
      const { promise: turn, resolve, reject } = Promise.withResolvers<void>();
      admit(lane, { start: resolve, drop: () => reject(overloaded()) });
      startNext();
      await turn;
      try {
        return await task();
      } finally {
        runningCount -= 1;
        startNext();
      }
    },
  };
}

function overloaded(): BrokerError {
  return new BrokerError('BROKER_OVERLOADED', 'too many credentials are being checked at the moment: try again', {
    stage: 'caller',
    retryAfterSeconds: 1,
  });
}
