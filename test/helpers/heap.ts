/** How much memory a broker in a process of its own holds, without what is garbage. */

import type { BrokerProcess } from './broker-process.ts';

/** What the first collection finds to be garbage is let go in turns of its own: only the second one sees how much that was. */
const SAYS_HEAP = `data:text/javascript,${encodeURIComponent(`
  let signals = 0;
  process.on('SIGUSR2', async () => {
    for (let turns = 0; turns < 3; turns += 1) {
      gc();
      await new Promise(setImmediate);
    }
    const { heapUsed, external } = process.memoryUsage();
    process.stdout.write(JSON.stringify({ msg: 'heap', signal: ++signals, heapUsed, external }) + '\\n');
  });`)}`;

/** Arguments for the node of a broker that is to be asked. */
export const ASKABLE = ['--expose-gc', '--import', SAYS_HEAP];

export interface Heap {
  /** Bytes of objects. */
  readonly heapUsed: number;
  /** Bytes that objects stand for: buffers, sockets. */
  readonly external: number;
}

/** Asks, each time, after a collection. Nobody else may signal this broker. */
export function heapOf(broker: BrokerProcess): () => Promise<Heap> {
  let signals = 0;
  return async () => {
    signals += 1;
    broker.signal('SIGUSR2');
    const { heapUsed, external } = await broker.logged('heap', ({ signal }) => signal === signals);
    return { heapUsed: Number(heapUsed), external: Number(external) };
  };
}
