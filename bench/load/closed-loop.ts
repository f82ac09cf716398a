/** Load generator: a fixed number of requests, each connection sending its next one when it has the answer to the last. */

import { type Connection, openConnections } from './connection.ts';
import { generate } from './generator.ts';
import { answerOf, requestOf, type Workload } from './workload.ts';

export interface ClosedLoopPlan {
  readonly port: number;
  readonly workload: Workload;
  readonly connections: number;
  readonly warmUp: number;
  readonly requests: number;
}

export interface ClosedLoopResult {
  readonly seconds: number;
}

generate<ClosedLoopPlan>(async ({ port, workload, connections: count, warmUp, requests }, failed) => {
  let toSend = 0;
  let toCome = 0;
  let done = () => {};
  const send = (connection: Connection) => {
    if (toSend === 0) return;
    toSend -= 1;
    connection.send();
  };
  const answered = (connection: Connection) => {
    toCome -= 1;
    if (toCome === 0) done();
    else send(connection);
  };
  const parts = { port, request: requestOf(workload, port), expected: answerOf(workload).length, answered, failed };
  const connections = await openConnections(count, parts);
  const loop = (total: number) =>
    new Promise<void>((resolve) => {
      [toSend, toCome, done] = [total, total, resolve];
      for (const connection of connections) send(connection);
    });
  await loop(warmUp);
  return async () => {
    const startedAt = performance.now();
    await loop(requests);
    const seconds = (performance.now() - startedAt) / 1000;
    for (const connection of connections) connection.close();
    return { seconds } satisfies ClosedLoopResult;
  };
});
