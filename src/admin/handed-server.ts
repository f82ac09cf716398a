/** A server of Node without an address of its own: connections are handed to it. */

import type { Server, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';

/** Longer than any answer of the admin address takes. Milliseconds. */
const LAST_ANSWERS_MS = 35_000;

export class HandedServer {
  readonly maxConnections: number;
  readonly #roomFor: number;
  readonly #server: Server;
  /** The oldest first. */
  readonly #connections = new Set<Socket>();
  /** To requests that have none yet, or no whole one. */
  readonly #answers = new Set<ServerResponse>();
  #closing = false;
  #cut: NodeJS.Timeout | undefined;
  #onRested = (): void => {};

  /** Beyond `maxConnections` new connections are refused; beyond `roomFor` old ones give way to them. */
  constructor(server: Server, { maxConnections = Number.POSITIVE_INFINITY, roomFor = Number.POSITIVE_INFINITY }) {
    this.#server = server;
    this.maxConnections = maxConnections;
    this.#roomFor = roomFor;
    server.prependListener('request', (_request, response) => {
      if (this.#closing) response.shouldKeepAlive = false;
      this.#answers.add(response);
      response.once('close', () => {
        this.#answers.delete(response);
        if (this.#answers.size === 0) this.#onRested();
      });
    });
    // Node watches how long requests take from this event on.
    server.emit('listening');
  }

  accept(socket: Socket): void {
    if (this.#connections.size >= this.#roomFor) this.#makeRoom();
    this.#connections.add(socket);
    socket.once('close', () => {
      this.#connections.delete(socket);
      if (this.#connections.size === 0) clearTimeout(this.#cut);
    });
    this.#server.emit('connection', socket);
    socket.resume();
  }

  /** From now on each answer closes its connection; new connections are still taken. */
  announceClose(): void {
    this.#closing = true;
    for (const answer of this.#answers) answer.shouldKeepAlive = false;
  }

  /** Finishes what is in flight, once nothing comes in any more; resolves to the number of requests cut after `graceMs`. */
  async drain(graceMs: number): Promise<number> {
    this.announceClose();
    // Idle connections too.
    this.#server.close();
    if (this.#answers.size > 0) {
      const { promise: rested, resolve } = Promise.withResolvers<void>();
      this.#onRested = resolve;
      const grace = setTimeout(resolve, graceMs);
      await rested;
      clearTimeout(grace);
    }
    const cut = this.#answers.size;
    this.#server.closeAllConnections();
    return cut;
  }

  /** Who asks nothing gives way first, then who takes longest to take its answer. */
  #makeRoom(): void {
    const answering = new Set([...this.#answers].map(({ socket }) => socket));
    const connections = [...this.#connections];
    const silent = connections.find((socket) => !answering.has(socket));
    const leaving = silent ?? connections[0];
    if (leaving === undefined) return;
    this.#connections.delete(leaving);
    leaving.destroy();
  }

  /** What was asked already is answered still: a renewal, or the very request that led here. */
  retire(): void {
    this.announceClose();
    this.#server.close();
    if (this.#connections.size > 0) this.#cut = setTimeout(() => this.close(), LAST_ANSWERS_MS).unref();
  }

  close(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}
