/**
 * Load generator: requests at a fixed rate, whether or not the answers keep up. The latency of each counts from the moment at which it
 * was due, so one that waits for a free connection behind a slow answer is as late as its caller would see it.
 */

import { Worker } from 'node:worker_threads';
import { quantile } from '../statistics.ts';
import { type Connection, openConnections } from './connection.ts';
import { generate } from './generator.ts';
import { answerOf, requestOf, type Workload } from './workload.ts';

export interface OpenLoopPlan {
  readonly port: number;
  readonly workload: Workload;
  readonly connections: number;
  readonly perSecond: number;
  readonly warmUpSeconds: number;
  readonly seconds: number;
}

/** Milliseconds. */
export interface OpenLoopResult {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

/** Waking costs some 20 µs: more often than this, the generator would be busy with it. */
const SHORTEST_PERIOD_MS = 0.2;

generate<OpenLoopPlan>(async ({ port, workload, connections: count, perSecond, warmUpSeconds, seconds }, failed) => {
  const intervalMs = 1_000 / perSecond;
  const dueAt = new Map<Connection, number>();
  const idle: Connection[] = [];
  let latencies = new Float64Array();
  let [startedAt, sent, answers] = [0, 0, 0];
  let done = () => {};
  const sendWhatIsDue = () => {
    const now = performance.now();
    for (let due = startedAt + sent * intervalMs; due <= now && sent < latencies.length; due = startedAt + sent * intervalMs) {
      const connection = idle.pop();
      if (connection === undefined) return;
      sent += 1;
      dueAt.set(connection, due);
      connection.send();
    }
  };
  const answered = (connection: Connection) => {
    latencies[answers] = performance.now() - (dueAt.get(connection) as number);
    answers += 1;
    idle.push(connection);
    if (answers === latencies.length) done();
    else sendWhatIsDue();
  };
  const parts = { port, request: requestOf(workload, port), expected: answerOf(workload).length, answered, failed };
  const connections = await openConnections(count, parts);
  idle.push(...connections);
  const metronome = new Worker(new URL('metronome.ts', import.meta.url), {
    workerData: { periodMs: Math.max(intervalMs, SHORTEST_PERIOD_MS) },
  });
  metronome.on('message', sendWhatIsDue);
  const loop = (total: number) =>
    new Promise<void>((resolve) => {
      latencies = new Float64Array(total);
      [startedAt, sent, answers, done] = [performance.now(), 0, 0, resolve];
    });
  await loop(perSecond * warmUpSeconds);
  return async () => {
    await loop(perSecond * seconds);
    for (const connection of connections) connection.close();
    latencies.sort();
    const [p50 = 0, p99 = 0, p999 = 0] = [0.5, 0.99, 0.999].map((q) => quantile(latencies, q));
    return { p50, p99, p999 } satisfies OpenLoopResult;
  };
});
