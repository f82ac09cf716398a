/** A server of Node without an address of its own: connections are handed to it. */

import type { Server } from 'node:http';
import type { Socket } from 'node:net';

/** Longer than any answer of the admin address takes. Milliseconds. */
const LAST_ANSWERS_MS = 35_000;

/** Probes, a Prometheus or two and a person; many more are no sign of interest. */
const MOST_CONNECTIONS = 100;

export class HandedServer {
  readonly maxConnections = MOST_CONNECTIONS;
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  #closing = false;
  #cut: NodeJS.Timeout | undefined;

  constructor(server: Server) {
    this.#server = server;
    server.prependListener('request', (_request, response) => {
      if (this.#closing) response.shouldKeepAlive = false;
    });
    // Node watches how long requests take from this event on.
    server.emit('listening');
  }

  accept(socket: Socket): void {
    this.#connections.add(socket);
    socket.once('close', () => {
      this.#connections.delete(socket);
      if (this.#connections.size === 0) clearTimeout(this.#cut);
    });
    this.#server.emit('connection', socket);
    socket.resume();
  }

  /** What was asked already is answered still: a renewal, or the very request that led here. */
  retire(): void {
    this.#closing = true;
    this.#server.close();
    if (this.#connections.size > 0) this.#cut = setTimeout(() => this.close(), LAST_ANSWERS_MS).unref();
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
