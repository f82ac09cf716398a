/** Waits for the first bytes of a connection in the clear, to tell who speaks HTTP/2 by its preface (RFC 9113 §3.4). */

import type { Socket } from 'node:net';
import type { Connection, ConnectionHost } from './connection-host.ts';

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export class FirstBytes implements Connection {
  deadlineAt: number;
  readonly inFlight = 0;
  readonly idle = true;
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #onKnown: (isHttp2: boolean) => void;
  #seen = Buffer.alloc(0);
  #over = false;

  /** @param onKnown is given the connection back, with all that it has said still to be read */
  constructor(socket: Socket, host: ConnectionHost, onKnown: (isHttp2: boolean) => void) {
    this.#socket = socket;
    this.#host = host;
    this.#onKnown = onKnown;
    this.deadlineAt = performance.now() + host.limits.headTimeout;
    socket.on('readable', this.#look).on('end', this.#leave).on('error', this.#ignore).on('close', this.#leave);
  }

  end(): void {
    this.#leave();
  }

  cut(): void {
    this.#leave();
  }

  onDeadline(): void {
    this.#leave();
  }

  readonly #look = (): void => {
    const bytes: Buffer | null = this.#over ? null : this.#socket.read();
    if (bytes === null) return;
    this.#seen = Buffer.concat([this.#seen, bytes]);
    const length = Math.min(this.#seen.length, PREFACE.length);
    const mayBe = this.#seen.subarray(0, length).equals(PREFACE.subarray(0, length));
    if (!mayBe || length === PREFACE.length) this.#handOver(mayBe);
  };

  readonly #leave = (): void => {
    if (this.#over) return;
    this.#over = true;
    this.#socket.destroy();
    this.#host.closed(this);
  };

  readonly #ignore = (): void => {};

  #handOver(isHttp2: boolean): void {
    this.#over = true;
    const socket = this.#socket;
    socket.off('readable', this.#look).off('end', this.#leave).off('close', this.#leave);
    socket.unshift(this.#seen);
    // First, so that a listener that drains does not take it for the last one.
    this.#onKnown(isHttp2);
    this.#host.closed(this);
    socket.off('error', this.#ignore);
  }
}
