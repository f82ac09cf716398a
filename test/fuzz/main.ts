/** `npm run fuzz`: at least 100,000 malformed messages against the engine, a quarter as many connections of HTTP/2, and a fifth as many answers over it; says what was driven how, and exits 1 on any finding. */

import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { startScene } from '../helpers/broker.ts';
import { OK } from './engine.ts';
import { fuzz } from './run.ts';

/** Ends the process when no case has been finished for this long: a loop cannot be ended from within. Milliseconds. */
const WATCHDOG_MS = 30_000;

const { values } = parseArgs({ options: { seed: { type: 'string' }, count: { type: 'string', default: '100000' } } });
const seed = Number(values.seed ?? Date.now() % 2 ** 31);
const count = Number(values.count);
const print = (line: string) => void process.stdout.write(`${line}\n`);

print(`seed ${seed}: to repeat it, npm run fuzz -- --seed ${seed} --count ${count}`);
const current = new Int32Array(new SharedArrayBuffer(4));
const watchdog = new Worker(
  `const { workerData } = require('node:worker_threads');
  let seen = -1;
  setInterval(() => {
    const now = Atomics.load(workerData.current, 0);
    if (now === seen) {
      require('node:fs').writeSync(2, 'case ' + now + ' of seed ' + workerData.seed + ' hangs\\n');
      process.kill(process.pid, 'SIGKILL');
    }
    seen = now;
  }, ${WATCHDOG_MS});`,
  { eval: true, workerData: { current, seed } },
);

const local = { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['http/1.1', 'h2c'] };
const scene = await startScene({ origin: () => OK, config: { listeners: { local }, log: { level: 'error' } } });
const amounts = {
  requests: Math.ceil(count * 0.7),
  answers: Math.ceil(count * 0.3),
  sockets: Math.ceil(count * 0.03),
  http2: Math.ceil(count * 0.25),
  http2Answers: Math.ceil(count * 0.2),
};
const { counts, findings } = await fuzz(seed, amounts, { address: () => scene.address(), origin: scene.origin }, (index) =>
  Atomics.store(current, 0, index),
);
await scene.close();
await watchdog.terminate();

print('in process: the codec, the connections of both sides and the forwarder, without kernel, stages and pool, judged by llhttp too');
print('over sockets: the whole broker on loopback, which must do what was done in process');
for (const [key, times] of [...counts].sort()) print(`${String(times).padStart(8)}  ${key}`);
for (const { bytes, found } of findings.slice(0, 20)) print(`FOUND ${found.join('; ')}\n  in ${bytes}`);
print(`${[...counts.values()].reduce((sum, times) => sum + times, 0)} cases, ${findings.length} findings, seed ${seed}`);
process.exitCode = findings.length === 0 ? 0 : 1;
