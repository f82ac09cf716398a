/** Stands before a server and passes everything on, until it is told to do something else with what the server says. */

import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Bytes of the server, for its client: changed, delayed, or `undefined` for none. */
export type Passing = (chunk: Buffer, client: Socket) => Buffer | undefined;

export interface FaultProxy {
  readonly port: number;
  /** From now on, for open connections too. */
  answer(passing: Passing): void;
  /** Ends the open connections. */
  cut(): void;
  close(): Promise<void>;
}

export const passOn: Passing = (chunk) => chunk;

export async function startFaultProxy(port: number): Promise<FaultProxy> {
  let passing = passOn;
  const sockets = new Set<Socket>();
  const server = createServer((client) => {
    const upstream = connect(port, '127.0.0.1');
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
    }
    client.on('data', (chunk) => upstream.write(chunk));
    upstream.on('data', (chunk) => {
      const passed = passing(chunk, client);
      if (passed !== undefined) client.write(passed);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as { port: number }).port,
    answer(next) {
      passing = next;
    },
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
  };
}
