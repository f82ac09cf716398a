/** Ends a connection in the middle of something. */

import type { Socket } from 'node:net';

/**
 * With a reset, so that nobody takes it for a good end, where there is such a thing: a Unix socket has none, and Node throws. Nor while its
 * own end is on its way out: Node refuses then, and the connection would stay for ever.
 */
export function tear(socket: Socket): void {
  const isTcp = socket.localAddress !== undefined && !('encrypted' in socket);
  const isEnding = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (isTcp && !isEnding) socket.resetAndDestroy();
  else socket.destroy();
}
