/** One HTTP call to an authorization server: bounded in time and size, never redirected, never an unread body. */

import { brotliDecompressSync, gunzipSync, inflateSync } from 'node:zlib';
import { request } from 'undici';
import type { ClientCertificate } from './client-proof.ts';
import { ConnectionPools, type PoolOptions } from './connection-pools.ts';
import { AuthorizationServerError } from './failure.ts';

/** Ten times what the largest known metadata documents and token answers need. */
const MAX_ANSWER_BYTES = 64 * 1024;

export interface Answer {
  readonly status: number;
  /** The first value of a field, by its lower-case name. */
  field(lowerCaseName: string): string | undefined;
  readonly body: Buffer;
}

export interface CallRequest {
  readonly url: string;
  readonly method: string;
  readonly headers: Record<string, string>;
  readonly body: string | undefined;
  /** Presented where the server asks for one. */
  readonly certificate?: ClientCertificate | undefined;
}

/** Makes calls to one authorization server over connections of its own, so that a hung server holds up no other. */
export class AuthorizationServerCalls {
  readonly #timeoutMs: number;
  readonly #pools: ConnectionPools;

  constructor(options: PoolOptions) {
    this.#timeoutMs = options.timeoutMs;
    this.#pools = new ConnectionPools(options);
  }

  /** Throws what undici throws, or an `AuthorizationServerError` when the answer is larger than 64 KiB. */
  async call(call: CallRequest): Promise<Answer> {
    const { statusCode, headers, body } = await request(call.url, {
      method: call.method as 'GET',
      headers: call.headers,
      body: call.body ?? null,
      dispatcher: this.#pools.get(call.certificate),
      signal: AbortSignal.timeout(this.#timeoutMs),
    });
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of body as AsyncIterable<Buffer>) {
      bytes += chunk.length;
      if (bytes > MAX_ANSWER_BYTES) {
        body.destroy();
        throw new AuthorizationServerError('nonsense', 'answer_too_large');
      }
      chunks.push(chunk);
    }
    const field = (name: string) => {
      const value = headers[name];
      return Array.isArray(value) ? value[0] : value;
    };
    return { status: statusCode, field, body: decode(Buffer.concat(chunks), field('content-encoding')) };
  }

  close(): Promise<void> {
    return this.#pools.close();
  }
}

/** Undoes a content coding we did not ask for, within the same bound. */
function decode(bytes: Buffer, coding: string | undefined): Buffer {
  const limit = { maxOutputLength: MAX_ANSWER_BYTES };
  try {
    switch (coding?.toLowerCase()) {
      case undefined:
      case '':
      case 'identity':
        return bytes;
      case 'gzip':
      case 'x-gzip':
        return gunzipSync(bytes, limit);
      case 'deflate':
        return inflateSync(bytes, limit);
      case 'br':
        return brotliDecompressSync(bytes, limit);
    }
  } catch (cause) {
    const tooLarge = (cause as { code?: string }).code === 'ERR_BUFFER_TOO_LARGE';
    if (tooLarge) throw new AuthorizationServerError('nonsense', 'answer_too_large', { cause });
    throw new AuthorizationServerError('transient', 'answer_unreadable', { cause });
  }
  throw new AuthorizationServerError('transient', 'answer_unreadable');
}
