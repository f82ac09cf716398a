/** A server of Node without an address of its own: connections are handed to it. */

import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** Longer than any answer of the admin address takes. Milliseconds. */
const LAST_ANSWERS_MS = 35_000;

export class HandedServer {
  readonly #server: Server;
  #closing = false;

  constructor(server: Server) {
    this.#server = server;
    server.prependListener('request', (_request, response) => {
      if (this.#closing) response.shouldKeepAlive = false;
    });
    // Node keeps count of connections, and of how long their requests take, from this event on.
    server.emit('listening');
  }

  accept(socket: Socket): void {
    this.#server.emit('connection', socket);
    socket.resume();
  }

  /** What is asked already is answered still, a renewal or the very request that led here. */
  close(): void {
    this.#closing = true;
    this.#server.close();
    setTimeout(() => this.#server.closeAllConnections(), LAST_ANSWERS_MS).unref();
  }
}
