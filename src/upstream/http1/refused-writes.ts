/** Lets an upstream's last words be heard after it has stopped listening. */

import type { Socket } from 'node:net';

type Done = (error?: Error | null) => void;

/**
 * A server that answers early and closes makes our next write fail, and Node would then drop what it has said. So a refused write only tells
 * `onRefused`; what follows is learnt by reading (RFC 9112 §9.5).
 */
export function outliveRefusedWrites(socket: Socket, onRefused: () => void): void {
  const told =
    (done: Done): Done =>
    (error) => {
      if (error) onRefused();
      done();
    };
  const write = socket._write.bind(socket);
  const writev = socket._writev?.bind(socket);
  socket._write = (chunk, encoding, done) => write(chunk, encoding, told(done));
  if (writev !== undefined) socket._writev = (chunks, done) => writev(chunks, told(done));
}
