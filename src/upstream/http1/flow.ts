/** One request on its way, before it has a connection and while it has one. */

import type { BrokerError } from '../../errors.ts';
import type { UpstreamAnswer, UpstreamFlow, UpstreamRequest } from '../connections.ts';

/** What carries a flow, or will: a connection, or the place in the queue for one. */
export interface Carrier {
  pauseReading(): void;
  resumeReading(): void;
  /** The flow is given up. */
  drop(flow: Http1Flow): void;
}

export class Http1Flow implements UpstreamFlow {
  readonly request: UpstreamRequest;
  readonly answer: UpstreamAnswer;
  carrier: Carrier | undefined;
  paused = false;
  #over = false;

  constructor(request: UpstreamRequest, answer: UpstreamAnswer) {
    this.request = request;
    this.answer = answer;
  }

  /** Ended, failed or given up. */
  get over(): boolean {
    return this.#over;
  }

  pause(): void {
    if (this.#over || this.paused) return;
    this.paused = true;
    this.carrier?.pauseReading();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    if (!this.#over) this.carrier?.resumeReading();
  }

  abort(): void {
    if (this.#over) return;
    this.#over = true;
    this.carrier?.drop(this);
  }

  end(trailers: readonly string[]): void {
    this.#over = true;
    this.answer.end(trailers);
  }

  fail(error: BrokerError, nothingSent: boolean): void {
    if (this.#over) return;
    this.#over = true;
    this.answer.fail(error, nothingSent);
  }
}
