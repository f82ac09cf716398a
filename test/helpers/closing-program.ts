/** A program that runs a broker, closes it at SIGUSR2 or when it cannot start, says what is left of it, and has to end by itself. */

import { writeSync } from 'node:fs';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { Broker } from '../../src/broker.ts';
import { loadConfig } from '../../src/config/load.ts';
import { createLog } from '../../src/telemetry/log.ts';

/** Handles are gone some turns of the event loop after they were closed; a connection that was being made, when it stands. */
const PATIENCE_MS = 1_000;
/** Not all that is garbage is found at the first look. */
const COLLECTIONS = 20;

// The log writes there, and it is the process' own.
void process.stdout;
const before = process.getActiveResourcesInfo();

async function start(): Promise<{ broker: Broker; close(): Promise<void> }> {
  const loaded = await loadConfig('sidecar.config.json');
  const watch = loaded.watch();
  const broker = new Broker({ config: loaded.config, log: createLog(loaded.config.log.level) });
  const close = () => {
    watch.stop();
    return broker.close();
  };
  return { broker, close };
}

let running: Awaited<ReturnType<typeof start>> | undefined = await start();
const closed = new WeakRef(running.broker);

async function end(): Promise<void> {
  await running?.close();
  running = undefined;
  const until = performance.now() + PATIENCE_MS;
  while (heldNow().length > 0 && performance.now() < until) await sleep(20);
  say({ msg: 'closed', held: heldNow() });
  for (let times = 0; times < COLLECTIONS && closed.deref() !== undefined; times += 1) {
    await turn();
    globalThis.gc?.();
  }
  say({ msg: 'collected', whole: closed.deref() === undefined });
}

function heldNow(): string[] {
  const held = process.getActiveResourcesInfo();
  for (const each of before) if (held.includes(each)) held.splice(held.indexOf(each), 1);
  return held;
}

function say(line: Record<string, unknown>): void {
  writeSync(1, `${JSON.stringify(line)}\n`);
}

process.once('SIGUSR2', () => void end());
await running.broker.start().catch(end);
