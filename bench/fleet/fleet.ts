/** `npm run bench -- fleet`: what a shared store costs and saves, from one replica to ten thousand. */

import { measureBrokers } from './brokers.ts';
import { simulate } from './simulation.ts';

export interface FleetOptions {
  readonly quick: boolean;
  readonly say: (line: string) => void;
}

/** Whether every promise was kept. */
export async function benchFleet({ quick, say }: FleetOptions): Promise<boolean> {
  const verdicts: boolean[] = [];
  const promise = (kept: boolean, line: string) => {
    verdicts.push(kept);
    say(`${kept ? 'kept  ' : 'MISSED'} ${line}`);
  };
  for (const replicas of quick ? [8] : [1, 8, 50]) {
    const { coldGrants, grantsPerRenewal, requests, failed, commands, pings } = await measureBrokers(
      replicas,
      quick || replicas === 1 ? 3 : 10,
    );
    const figures = `${coldGrants} grant cold, ${grantsPerRenewal.toFixed(2)} a renewal, ${failed} of ${requests} requests failed`;
    const cost = `${commands.toFixed(2)} commands and ${pings.toFixed(2)} pings a second each`;
    promise(coldGrants === 1 && grantsPerRenewal <= 1.05 && failed === 0, `${replicas} brokers, tokens of 10 s: ${figures}; ${cost}`);
  }
  for (const replicas of quick ? [100] : [1, 8, 50, 500, 2_000, 10_000]) {
    const { coldGrants, coldMs, coldCommands, grantsPerLifetime, waited, commands } = await simulate(replicas, replicas > 2_000 ? 3 : 10);
    const cold = `${coldGrants} grant cold, all served in ${Math.round(coldMs)} ms by ${coldCommands.toFixed(1)} commands each`;
    const steady = `${grantsPerLifetime.toFixed(2)} grants and ${commands.toFixed(2)} commands each a lifetime, ${waited} waited`;
    promise(coldGrants === 1 && grantsPerLifetime <= 1.1 && waited === 0, `${replicas} simulated, tokens of 1 h: ${cold}; then ${steady}`);
  }
  return verdicts.every(Boolean);
}
