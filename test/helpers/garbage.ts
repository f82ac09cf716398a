/** Garbage that is collected when a test says so, as it may be at any moment. */

import { connect, createServer, type Server } from 'node:net';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

const YOUNG = 'young';
/** Collecting everything takes some ten times as long as collecting what is young. */
const ALL_EACH = 10;

/** All garbage, or that of young objects, which is collected far more often. */
export type Collect = (which?: { readonly type: 'major' | 'minor' }) => void;

export function collector(): Collect {
  setFlagsFromString('--expose-gc');
  return runInNewContext('gc') as Collect;
}

/** What nobody can reach any more is gone then. */
export async function collectGarbage(): Promise<void> {
  // What a `WeakRef` has shown in a turn of the event loop stays until its end.
  await new Promise(setImmediate);
  collector()();
}

/** Whoever connects to it and writes has garbage collected, in the turn in which other sockets are read that were written to just before. */
export async function serveCollecting(): Promise<Server> {
  const collect = collector();
  const server = createServer((socket) => socket.on('data', (bytes) => collect({ type: String(bytes) === YOUNG ? 'minor' : 'major' })));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return server;
}

export interface Collecting {
  /** Once in so many calls, garbage is collected in the turn that reads what other sockets were written just before. */
  look(): void;
  close(): Promise<void>;
}

/** In the process of the test itself. */
export async function startCollecting(each: number): Promise<Collecting> {
  const server = await serveCollecting();
  const { port } = server.address() as { port: number };
  const socket = connect(port, '127.0.0.1').setNoDelay();
  await new Promise((resolve) => socket.once('connect', resolve));
  let calls = 0;
  return {
    look() {
      calls += 1;
      if (calls % each === 0) socket.write(calls % (ALL_EACH * each) === 0 ? 'all' : YOUNG);
    },
    close() {
      socket.destroy();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}
