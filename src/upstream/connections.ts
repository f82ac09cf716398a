/** What the forwarder needs of an HTTP client. The engine behind it can be changed without touching the rules. */

import type { BrokerError } from '../errors.ts';
import type { Body, Fields, Upgrade } from '../message.ts';

/** Methods by which nothing changes at the upstream (RFC 9110 §9.2.1). */
export const SAFE_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Of the final answer, and of each interim one. */
export const MAX_HEAD_BYTES = 64 * 1024;
/** More hints and "processing" than anybody needs. */
export const MAX_INTERIM_ANSWERS = 20;

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  /** All fields but framing, which the engine states from the body; in sections, one after the other, some of which may repeat. */
  readonly fields: readonly Fields[];
  readonly body: Body | undefined;
  /** Asked for by the fields; after an answer 101 the connection carries its bytes and the answer's, until each side has ended. */
  readonly upgrade: Upgrade | undefined;
  /** Must not ride on a connection that has been used before. */
  readonly fresh: boolean;
}

/** Called in the order `interim`…, `head`, `chunk`…, then `end` or `fail`; `fail` may come at any time and is the last call. */
export interface UpstreamAnswer {
  /** 1xx, but never 101: that is the head of what follows it. */
  interim(status: number, fields: Fields): void;
  head(status: number, reason: string, fields: Fields): void;
  /** The bytes are lent until it returns or, if the flow is paused then, until it is resumed. */
  chunk(bytes: Uint8Array): void;
  end(trailers: Fields): void;
  /**
   * The code says what happened; after `head` it means that the answer is cut short.
   *
   * @param nothingSent the upstream has certainly seen nothing of the request
   */
  fail(error: BrokerError, nothingSent: boolean): void;
}

/** One request on its way. */
export interface UpstreamFlow {
  pause(): void;
  resume(): void;
  /** Drops the request and its connection; `fail` is not called any more. */
  abort(): void;
}

export interface ConnectionCounts {
  /** Those that are being set up, too. */
  readonly open: number;
  /** Of the open ones: kept for the next request. */
  readonly idle: number;
  /** Requests that wait for a connection. */
  readonly queued: number;
}

/** Connections to one upstream. */
export interface UpstreamConnections {
  counts(): ConnectionCounts;
  send(request: UpstreamRequest, answer: UpstreamAnswer): UpstreamFlow;
  /** Drops what is still running. */
  close(): Promise<void>;
}
