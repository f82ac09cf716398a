/** Connections of which a test has both ends. */

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { afterEach } from '@jest/globals';

/** Call it once, where the file begins: what it gives opens one, which ends with the test. */
export function socketPairs(): () => Promise<{ readonly near: Socket; readonly far: Socket }> {
  const open: Socket[] = [];
  afterEach(() => {
    for (const socket of open.splice(0)) socket.destroy();
  });
  return async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const far = connect((server.address() as { port: number }).port, '127.0.0.1');
    const [[near]] = (await Promise.all([once(server, 'connection'), once(far, 'connect')])) as [[Socket], unknown];
    server.close();
    open.push(near, far);
    return { near, far };
  };
}
