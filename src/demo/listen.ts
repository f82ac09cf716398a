/** Binding and closing of the demo's servers. */

import type { Server } from 'node:http';

/** Where a demo server listens; port 0 takes a free one. */
export interface DemoAddress {
  readonly host: string;
  readonly port: number;
}

/** Binds the server; the result is the port it got. */
export async function listen(server: Server, address: DemoAddress): Promise<number> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(address.port, address.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const bound = server.address();
  return typeof bound === 'object' && bound !== null ? bound.port : address.port;
}

/** Stops listening and drops every connection. */
export function closeServer(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}

/** `host:port` as a URL writes it. */
export function authorityOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}
