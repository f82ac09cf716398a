/** Ordinary HTTP requests, for tests that need no say in the bytes. */

import { Agent, request as httpRequest, type IncomingMessage, type RequestOptions as NodeOptions } from 'node:http';
import { request as httpsRequest, type Agent as TlsAgent } from 'node:https';
import type { Readable } from 'node:stream';
import type { ConnectionOptions } from 'node:tls';
import { fieldValue } from '../../src/message.ts';

export interface RequestOptions {
  readonly method?: string;
  /** An object, or name, value, name, value, … in the order and spelling of the wire. */
  readonly fields?: Readonly<Record<string, string | readonly string[]>> | readonly string[];
  /** Sent as Basic credentials, `user:password`. */
  readonly user?: string;
  readonly body?: string | Uint8Array | Readable;
  /** Keeps connections when given; default: one connection for each call. */
  readonly agent?: Agent | TlsAgent;
  readonly tls?: ConnectionOptions;
  /** Instead of the URL's host and port. */
  readonly socketPath?: string;
  readonly signal?: AbortSignal;
}

export interface Answer {
  readonly status: number;
  readonly reason: string;
  /** Name, value, name, value, … as received. */
  readonly fields: readonly string[];
  readonly trailers: readonly string[];
  readonly body: Buffer;
  /** False when the connection broke before the end of the body. */
  readonly complete: boolean;
  /** The first value of a field. */
  field(name: string): string | undefined;
  text(): string;
  json(): unknown;
}

/** One ordinary request; rejects only when no answer begins. */
export function request(url: string, options: RequestOptions = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let began = false;
    const send = url.startsWith('https:') ? httpsRequest : httpRequest;
    const outgoing = send(url, nodeOptions(url, options), (message) => {
      began = true;
      const chunks: Buffer[] = [];
      message.on('data', (chunk: Buffer) => chunks.push(chunk));
      message.on('error', () => {});
      message.on('close', () => resolve(answerOf(message, Buffer.concat(chunks))));
    });
    outgoing.on('error', (error) => {
      if (!began) reject(error);
    });
    const { body } = options;
    if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) outgoing.end(body);
    else body.pipe(outgoing);
  });
}

function nodeOptions(url: string, options: RequestOptions): NodeOptions & ConnectionOptions {
  const { host } = new URL(url);
  const given = Array.isArray(options.fields) ? options.fields : Object.entries(options.fields ?? {}).flatMap(spread);
  const names = new Set(given.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase()));
  const own = [
    ...(names.has('host') ? [] : ['Host', host]),
    ...(options.user === undefined ? [] : ['Authorization', `Basic ${Buffer.from(options.user).toString('base64')}`]),
    ...(names.has('content-length') || !isSized(options.body) ? [] : ['Content-Length', String(Buffer.byteLength(options.body))]),
  ];
  return {
    method: options.method ?? (options.body === undefined ? 'GET' : 'POST'),
    headers: [...own, ...given],
    agent: options.agent ?? false,
    servername: 'localhost',
    ...options.tls,
    ...(options.socketPath === undefined ? {} : { socketPath: options.socketPath }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  };
}

function spread([name, value]: [string, string | readonly string[]]): string[] {
  return [value].flat().flatMap((one) => [name, one]);
}

function isSized(body: RequestOptions['body']): body is string | Uint8Array {
  return typeof body === 'string' || body instanceof Uint8Array;
}

function answerOf(message: IncomingMessage, body: Buffer): Answer {
  const fields = message.rawHeaders;
  return {
    status: message.statusCode ?? 0,
    reason: message.statusMessage ?? '',
    fields,
    trailers: message.rawTrailers,
    body,
    complete: message.complete,
    field: (name) => fieldValue(fields, name.toLowerCase()),
    text: () => body.toString(),
    json: () => JSON.parse(body.toString()) as unknown,
  };
}

/** An agent that keeps its connections, one at a time unless said otherwise; end it with `destroy`. */
export function keepAlive(maxSockets = 1): Agent {
  return new Agent({ keepAlive: true, maxSockets });
}
