/** Load generator: callers that send the head of a request one byte a second, never to its end, until they are cut. */

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { constants, setPriority } from 'node:os';
import { generate } from './generator.ts';

export interface SlowHeadsPlan {
  readonly port: number;
  readonly connections: number;
  /** Who is not cut by then is counted and let go. */
  readonly patienceMs: number;
}

export interface SlowHeadsResult {
  readonly cut: number;
  /** From connecting to the end, of those that were cut. */
  readonly longestMs: number;
}

const HEAD = Buffer.from(`GET /1024 HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ${'x'.repeat(4_000)}`);

const TICKS_PER_SECOND = 250;

generate<SlowHeadsPlan>(async ({ port, connections: count, patienceMs }) => {
  // Who measures a good caller shares the core, and must not wait for who drips.
  setPriority(constants.priority.PRIORITY_LOW);
  const sockets: Socket[] = [];
  let [cut, longestMs, letGo] = [0, 0, false];
  let allCut = () => {};
  const open = async () => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }).resume();
    socket.on('error', () => socket.destroy());
    await once(socket, 'connect');
    const connectedAt = performance.now();
    sockets.push(socket);
    socket.once('close', () => {
      if (letGo) return;
      cut += 1;
      longestMs = Math.max(longestMs, performance.now() - connectedAt);
      if (cut === count) allCut();
    });
  };
  while (sockets.length < count) await Promise.all(Array.from({ length: Math.min(64, count - sockets.length) }, open));
  let ticks = 0;
  // A part of them at each tick: all at once would be a burst, which is another attack.
  const drip = setInterval(() => {
    const sent = Math.floor(ticks / TICKS_PER_SECOND);
    for (let i = ticks % TICKS_PER_SECOND; i < count; i += TICKS_PER_SECOND) {
      const socket = sockets[i] as Socket;
      if (socket.writable) socket.write(HEAD.subarray(sent, sent + 1));
    }
    ticks += 1;
  }, 1_000 / TICKS_PER_SECOND);
  return async () => {
    const patience = setTimeout(() => allCut(), patienceMs);
    if (cut < count) await new Promise<void>((resolve) => (allCut = resolve));
    clearTimeout(patience);
    clearInterval(drip);
    letGo = true;
    for (const socket of sockets) socket.destroy();
    return { cut, longestMs } satisfies SlowHeadsResult;
  };
});
