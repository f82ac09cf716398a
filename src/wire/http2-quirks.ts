/** What `node:http2` must be kept from doing, on either side of the broker. */

import type { Socket } from 'node:net';

/**
 * In MB. Node refuses every stream once a connection holds more, but never takes off what it counted for streams that were reset: a
 * connection with enough of them would be of no use. What one really holds is bounded by its streams, each of which is held back by itself.
 */
export const NO_SESSION_MEMORY_LIMIT = 2 ** 32 - 1;

/** Of `node:http2`, on either side. */
interface Session {
  once(event: 'close', listener: () => void): unknown;
  close(): void;
}

/** What Node holds of connections that are not closed yet. */
const held = new Set<object>();

/**
 * Keeps Node's part of a connection from being collected before those of its streams. A stream that ends in the middle of its fields has memory of
 * the connection until the next turn, where a connection that was closed is garbage at once: collected in between, it aborts the process.
 */
export function holdUntilClosed(session: Session): void {
  const handle = handleOf(session);
  if (handle === undefined) return;
  held.add(handle);
  session.once('close', () => setImmediate(() => held.delete(handle)));
}

function handleOf(session: Session): object | undefined {
  const key = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'kHandle');
  return key && (session as unknown as Record<symbol, object | undefined>)[key];
}

/**
 * Keeps Node from closing a connection because the other side has said GOAWAY: it would finish what runs, but say nothing of an error of the
 * connection from then on, nor of its end. Whoever holds the connection closes it once nothing runs on it.
 *
 * @returns closes it
 */
export function keepFromClosing(session: Session): () => void {
  const close = session.close.bind(session);
  session.close = () => undefined;
  return close;
}

const LOOK_AGAIN_MS = 20;

/** Of `node:http2`, on either side. */
interface Stream {
  readonly destroyed: boolean;
  close(code: number): void;
  resume(): void;
}

/**
 * Resets streams of one connection, but never while bytes of it wait for the socket. Node forgets a stream that it was told to close then,
 * nghttp2 does not, and the two make empty frames of it without end, until no memory is left.
 */
export class Resets {
  readonly #socket: Socket;
  readonly #patienceMs: number;
  readonly #waiting = new Map<Stream, number>();
  #timer: NodeJS.Timeout | undefined;
  #waitsUntil = Number.POSITIVE_INFINITY;

  /** @param patienceMs a connection that takes nothing for this long is torn down */
  constructor(socket: Socket, patienceMs: number) {
    this.#socket = socket;
    this.#patienceMs = patienceMs;
  }

  add(stream: Stream, code: number): void {
    if (this.#waiting.size === 0) {
      this.#waitsUntil = performance.now() + this.#patienceMs;
      // What was written in this turn may have to wait.
      setImmediate(() => this.#look());
    }
    this.#waiting.set(stream, code);
  }

  /** Forgets them: the connection is gone. */
  clear(): void {
    this.#waiting.clear();
    clearTimeout(this.#timer);
  }

  #look(): void {
    if (this.#waiting.size === 0) return;
    if (isCongested(this.#socket)) {
      if (performance.now() > this.#waitsUntil) this.#socket.destroy();
      else this.#timer = setTimeout(() => this.#look(), LOOK_AGAIN_MS).unref();
      return;
    }
    for (const [stream, code] of this.#waiting) {
      if (stream.destroyed) continue;
      stream.close(code);
      // A stream is closed only when it has been read.
      stream.resume();
    }
    this.#waiting.clear();
  }
}

/** Bytes have been given to the socket that the system has not taken: Node tells it of its handles alone. */
export function isCongested(socket: Socket): boolean {
  const { _handle: handle } = socket as unknown as { _handle?: { readonly writeQueueSize?: number } | null };
  return (handle?.writeQueueSize ?? 0) > 0;
}
