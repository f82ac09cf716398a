/** What a caller says after a 101, as a body: in whatever protocol, until it ends its side. */

import type { BodySink, Upgrade } from '../../message.ts';

/** What a tunnel needs of its connection. */
export interface TunnelSource {
  /** The 101 is out: all that comes from now on belongs to the tunnel. */
  openTunnel(): void;
  pauseReading(): void;
  resumeReading(): void;
  /** Nobody takes what the caller says any more. */
  discardTunnel(): void;
}

export class CallerTunnel implements Upgrade {
  readonly protocols: string;
  readonly length = undefined;
  readonly #source: TunnelSource;
  #sink: BodySink | undefined;
  #over = false;

  constructor(protocols: string, source: TunnelSource) {
    this.protocols = protocols;
    this.#source = source;
  }

  /** The caller has ended its side, or is gone. */
  get over(): boolean {
    return this.#over;
  }

  pipe(sink: BodySink): void {
    this.#sink = sink;
    this.#source.openTunnel();
  }

  pause(): void {
    this.#source.pauseReading();
  }

  resume(): void {
    this.#source.resumeReading();
  }

  discard(): void {
    if (this.#sink !== undefined && !this.#over) this.#source.discardTunnel();
  }

  take(bytes: Uint8Array): void {
    this.#sink?.chunk(bytes);
  }

  end(): void {
    if (this.#over) return;
    this.#over = true;
    this.#sink?.end([]);
  }

  fail(cause: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#sink?.fail(cause);
  }
}
