/** One HTTP call to an authorization server: bounded in time and size, never redirected, never an unread body. */

import type { IncomingMessage } from 'node:http';
import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { type Clock, systemClock } from '../clock.ts';
import type { ClientCertificate } from './client-certificate.ts';
import { ConnectionPools, type PoolsOptions } from './connection-pools.ts';
import { AuthorizationServerError, timeout } from './failure.ts';

/** Ten times what the largest known metadata documents and token answers need. */
const MAX_ANSWER_BYTES = 64 * 1024;

/** Far more hints than anybody needs: without an end they would cost us as much as the server that sends them. */
const MAX_INTERIM_ANSWERS = 1_000;

export interface Answer {
  readonly status: number;
  /** The first value of a field, by its lower-case name. */
  field(lowerCaseName: string): string | undefined;
  /** Without its content coding; empty where that is unknown or broken, and where there was too much. */
  readonly body: Buffer;
  /** More than 64 KiB: the rest was not read. */
  readonly tooLarge: boolean;
}

export interface CallRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
  /** Presented where the server asks for one. */
  readonly certificate?: ClientCertificate | undefined;
  /** Where that is less than the server's own. */
  readonly timeoutMs?: number;
}

export interface CallsOptions extends PoolsOptions {
  /** Milliseconds for the whole call. */
  readonly timeoutMs: number;
  /** Default: that of the system. */
  readonly clock?: Pick<Clock, 'now'>;
}

/** Makes calls to one authorization server over connections of its own, so that a hung server holds up no other. */
export class AuthorizationServerCalls {
  readonly #timeoutMs: number;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #pools: ConnectionPools;
  readonly #running = new Set<(reason: Error) => void>();
  #clockAheadMs: number | undefined;

  constructor(options: CallsOptions) {
    this.#timeoutMs = options.timeoutMs;
    this.#clock = options.clock ?? systemClock;
    this.#pools = new ConnectionPools(options);
  }

  /** Rejects where there is no whole answer, with what the platform throws or with `AuthorizationServerError`. */
  async call(call: CallRequest): Promise<Answer> {
    const request = this.#pools.get(call.certificate).request(new URL(call.url), call);
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    // A request that waits for a connection says nothing when it is destroyed.
    const giveUp = (reason: Error) => {
      reject(reason);
      request.destroy(reason);
    };
    const timer = setTimeout(giveUp, Math.min(this.#timeoutMs, call.timeoutMs ?? this.#timeoutMs), timeout());
    this.#running.add(giveUp);
    let interims = 0;
    request
      .on('error', reject)
      .on('information', () => {
        interims += 1;
        if (interims > MAX_INTERIM_ANSWERS) giveUp(new AuthorizationServerError('transient', 'interim_answers'));
      })
      .on('response', (response) => void read(response).then(resolve, reject))
      // Nobody asked for another protocol, and the connection is in nobody's hands now.
      .on('upgrade', (_answer, socket) => {
        socket.destroy();
        reject(new AuthorizationServerError('transient', 'http_101'));
      })
      .end(call.body);
    try {
      const answer = await promise;
      this.#clockAheadMs = aheadMs(answer, this.#clock.now()) ?? this.#clockAheadMs;
      return answer;
    } finally {
      clearTimeout(timer);
      this.#running.delete(giveUp);
    }
  }

  /** How far the server's clock is ahead of ours, by its last answer that said; it says whole seconds. Milliseconds. */
  get clockAheadMs(): number | undefined {
    return this.#clockAheadMs;
  }

  async close(): Promise<void> {
    for (const giveUp of this.#running) giveUp(new AuthorizationServerError('transient', 'closed'));
    this.#pools.close();
  }
}

async function read(response: IncomingMessage): Promise<Answer> {
  const status = response.statusCode as number;
  const field = (name: string) => response.headersDistinct[name]?.[0];
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    // Leaving drops the connection.
    if (bytes > MAX_ANSWER_BYTES) return { status, field, ...TOO_LARGE };
    chunks.push(chunk);
  }
  return { status, field, ...decode(Buffer.concat(chunks), field('content-encoding')) };
}

/** By `Date` (RFC 9110 §6.6.1), and `Age` where a cache had the answer (RFC 9111 §5.1). */
function aheadMs(answer: Answer, now: number): number | undefined {
  const date = Date.parse(answer.field('date') ?? '');
  const age = Number(answer.field('age') ?? 0);
  return Number.isNaN(date) || Number.isNaN(age) ? undefined : date + age * 1000 - now;
}

type Content = Pick<Answer, 'body' | 'tooLarge'>;

const UNREADABLE: Content = { body: Buffer.alloc(0), tooLarge: false };
const TOO_LARGE: Content = { body: Buffer.alloc(0), tooLarge: true };

/** Undoes a content coding we did not ask for, within the same bound. */
function decode(bytes: Buffer, coding: string | undefined): Content {
  const decoder = DECODERS.get(coding?.toLowerCase() ?? '');
  if (decoder === undefined) return UNREADABLE;
  try {
    return { body: decoder(bytes, { maxOutputLength: MAX_ANSWER_BYTES }), tooLarge: false };
  } catch (error) {
    return (error as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE' ? TOO_LARGE : UNREADABLE;
  }
}

const asItIs = (bytes: Buffer) => bytes;
const DECODERS: ReadonlyMap<string, (bytes: Buffer, limit: { maxOutputLength: number }) => Buffer> = new Map([
  ['', asItIs],
  ['identity', asItIs],
  ['gzip', gunzipSync],
  ['x-gzip', gunzipSync],
  ['deflate', inflateSync],
  ['br', brotliDecompressSync],
]);
