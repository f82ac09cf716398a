/** A program that runs a broker, has its config followed by others at SIGUSR2, and says how many brokers are left of all that it has had. */

import { writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import type { Broker } from '../../src/broker.ts';
import { loadConfig } from '../../src/config/load.ts';
import { ReloadableBroker } from '../../src/reloadable-broker.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { LogOutput } from '../../src/telemetry/log-output.ts';

const RELOADS = 3;
/** Not all that is garbage is found at the first look. */
const COLLECTIONS = 20;

const load = () => loadConfig('sidecar.config.json');
// As the command line does, it keeps the first one for as long as it runs.
const first = await load();
const output = new LogOutput();
const log = createLog('info', {
  write(line) {
    output.write(line);
    if (line.includes('drained what the old config served')) drained += 1;
  },
});
let drained = 0;
const brokers: WeakRef<Broker>[] = [];
const reloadable = new ReloadableBroker({
  log,
  load,
  quit: () => undefined,
  onStarted: async (_loaded, broker) => {
    brokers.push(new WeakRef(broker));
  },
});

async function follow(): Promise<void> {
  for (let times = 0; times < RELOADS; times += 1) await reloadable.reload();
  while (drained < RELOADS) await turn();
  const left = () => brokers.filter((each) => each.deref() !== undefined).length;
  for (let times = 0; times < COLLECTIONS && left() > 1; times += 1) {
    await turn();
    globalThis.gc?.();
  }
  writeSync(1, `${JSON.stringify({ msg: 'reloaded', had: brokers.length, left: left(), file: first.file })}\n`);
  await reloadable.drain();
}

process.once('SIGUSR2', () => void follow());
await reloadable.start(first);
