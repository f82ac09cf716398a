/** What the forwarder needs of an HTTP client. The engine behind it can be changed without touching the rules. */

import type { BrokerError } from '../errors.ts';
import type { Body, Fields } from '../message.ts';

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** All fields but framing, which the engine states from the body. */
  readonly fields: readonly string[];
  readonly body: Body | undefined;
  /** Must not ride on a connection that has been used before. */
  readonly fresh: boolean;
}

/** Called in the order `head`, `chunk`…, then `end` or `fail`; `fail` may come at any time and is the last call. */
export interface UpstreamAnswer {
  head(status: number, reason: string, fields: Fields): void;
  chunk(bytes: Uint8Array): void;
  end(): void;
  /** The code says what happened; after `head` it means that the answer is cut short. */
  fail(error: BrokerError): void;
}

/** One request on its way. */
export interface UpstreamFlow {
  pause(): void;
  resume(): void;
  /** Drops the request and its connection; `fail` is not called any more. */
  abort(): void;
}

/** Connections to one upstream. */
export interface UpstreamConnections {
  send(request: UpstreamRequest, answer: UpstreamAnswer): UpstreamFlow;
  /** Drops what is still running. */
  close(): Promise<void>;
}
