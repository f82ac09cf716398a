/** The connections of a listener, so that a drain knows which ones are in use. */

import type { Socket } from 'node:net';

/**
 * Kept-alive clients may send one more request while the listener drains: idle connections are closed only after this long, and what
 * arrives before is served with `Connection: close`. Milliseconds.
 */
const LINGER_MS = 300;

export class OpenConnections {
  readonly #inFlight = new Map<Socket, number>();
  #onEmpty: (() => void) | undefined;

  get size(): number {
    return this.#inFlight.size;
  }

  add(socket: Socket): void {
    this.#inFlight.set(socket, 0);
    // Node takes its own listener away at CONNECT; a connection that breaks then must not break the process.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.#inFlight.delete(socket);
      if (this.#inFlight.size === 0) this.#onEmpty?.();
    });
  }

  /** A request begins; the result marks its end. */
  begin(socket: Socket): () => void {
    this.#count(socket, 1);
    return () => this.#count(socket, -1);
  }

  /** Waits for what is in flight, at most `graceMs`; then cuts the rest. Resolves to how many requests were cut. */
  async drain(graceMs: number): Promise<number> {
    const linger = setTimeout(() => this.#closeIdle(), Math.min(LINGER_MS, graceMs));
    const empty = new Promise<void>((resolve) => {
      this.#onEmpty = resolve;
      if (this.#inFlight.size === 0) resolve();
    });
    let grace: NodeJS.Timeout | undefined;
    const over = new Promise<void>((resolve) => {
      grace = setTimeout(resolve, graceMs);
    });
    await Promise.race([empty, over]);
    clearTimeout(grace);
    clearTimeout(linger);
    return this.#cutAll();
  }

  #count(socket: Socket, difference: number): void {
    const before = this.#inFlight.get(socket);
    if (before !== undefined) this.#inFlight.set(socket, before + difference);
  }

  #closeIdle(): void {
    for (const [socket, inFlight] of this.#inFlight) if (inFlight === 0) socket.destroy();
  }

  #cutAll(): number {
    let cut = 0;
    for (const [socket, inFlight] of this.#inFlight) {
      cut += inFlight;
      socket.destroy();
    }
    return cut;
  }
}
