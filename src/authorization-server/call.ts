/** One HTTP call to an authorization server: bounded in time and size, never redirected, never an unread body. */

import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { request } from 'undici';
import type { ClientCertificate } from './client-proof.ts';
import { ConnectionPools, type PoolOptions } from './connection-pools.ts';

/** Ten times what the largest known metadata documents and token answers need. */
const MAX_ANSWER_BYTES = 64 * 1024;

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

/** Makes calls to one authorization server over connections of its own, so that a hung server holds up no other. */
export class AuthorizationServerCalls {
  readonly #timeoutMs: number;
  readonly #pools: ConnectionPools;

  constructor(options: PoolOptions) {
    this.#timeoutMs = options.timeoutMs;
    this.#pools = new ConnectionPools(options);
  }

  /** Rejects with what undici throws: then there was no answer. */
  async call(call: CallRequest): Promise<Answer> {
    const { statusCode, headers, body } = await request(call.url, {
      method: call.method as 'GET',
      headers: call.headers,
      body: call.body ?? null,
      dispatcher: this.#pools.get(call.certificate),
      signal: AbortSignal.timeout(Math.min(this.#timeoutMs, call.timeoutMs ?? this.#timeoutMs)),
    });
    const field = (name: string) => {
      const value = headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) {
        body.destroy();
        return { status: statusCode, field, ...TOO_LARGE };
      }
      chunks.push(chunk);
    }
    return { status: statusCode, field, ...decode(Buffer.concat(chunks), field('content-encoding')) };
  }

  close(): Promise<void> {
    return this.#pools.close();
  }
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
