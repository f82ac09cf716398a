/** A thread that wakes the load generator in even steps, closer than the whole milliseconds of its timers. */

import { parentPort, workerData } from 'node:worker_threads';

const { periodMs } = workerData as { periodMs: number };
const nobody = new Int32Array(new SharedArrayBuffer(4));

for (let next = performance.now() + periodMs; ; next += periodMs) {
  const wait = next - performance.now();
  if (wait > 0) Atomics.wait(nobody, 0, 0, wait);
  parentPort?.postMessage(0);
}
