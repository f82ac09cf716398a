/** An HTTP proxy between the broker and the rest: it carries out CONNECT, forwards whole URLs, and keeps all that it was told. */

import { connect, createServer, type Socket } from 'node:net';

export interface HttpProxy {
  readonly port: number;
  readonly url: string;
  /** The head of each request, as it came. */
  readonly heads: readonly string[];
  /** Every byte that passed, in both directions, and the heads. */
  seen(): Buffer;
  close(): Promise<void>;
}

/** @param refuse what is answered instead, by the head of the request */
export async function startHttpProxy(refuse: (head: string) => string | undefined = () => undefined): Promise<HttpProxy> {
  const heads: string[] = [];
  const passed: Buffer[] = [];
  const sockets = new Set<Socket>();
  const keep = (socket: Socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy()).on('data', (bytes: Buffer) => passed.push(bytes));
    return socket;
  };
  const server = createServer({ noDelay: true }, (client) => {
    keep(client).once('data', (bytes: Buffer) => {
      const head = bytes.toString('latin1');
      heads.push(head);
      const refusal = refuse(head);
      if (refusal !== undefined) return void client.end(refusal);
      const [method = '', target = ''] = head.split(' ');
      const { hostname, port, pathname, search } = new URL(method === 'CONNECT' ? `http://${target}` : target);
      const upstream = keep(connect({ port: Number(port) || 80, host: hostname.replace(/^\[|\]$/g, ''), noDelay: true }));
      if (method === 'CONNECT') upstream.once('connect', () => client.write('HTTP/1.1 200 Connection established\r\n\r\n'));
      else upstream.write(head.replace(target, pathname + search));
      upstream.pipe(client).pipe(upstream);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    heads,
    seen: () => Buffer.concat(passed),
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      }),
  };
}
