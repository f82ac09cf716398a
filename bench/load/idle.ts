/** Load generator: opens connections, sends one request on each, and then holds them open without a word. */

import { Connection } from './connection.ts';
import { generate } from './generator.ts';
import { answerOf, requestOf, type Workload } from './workload.ts';

export interface IdlePlan {
  readonly port: number;
  readonly workload: Workload;
  readonly connections: number;
}

/** At once: so few that the upstream needs few connections of its own. */
const TOGETHER = 16;

generate<IdlePlan>(async ({ port, workload, connections: count }, failed) => {
  const request = requestOf(workload, port);
  const expected = answerOf(workload).length;
  const connections: Connection[] = [];
  const askOnce = () =>
    new Promise<void>((answered, broken) => {
      const connection = Connection.open({ port, request, expected, answered: () => answered(), failed });
      connection.then((opened) => {
        connections.push(opened);
        opened.send();
      }, broken);
    });
  while (connections.length < count) await Promise.all(Array.from({ length: Math.min(TOGETHER, count - connections.length) }, askOnce));
  return async () => {
    for (const connection of connections) connection.close();
  };
});
