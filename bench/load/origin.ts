/** The upstream of every proxy: raw sockets and ready answers, so that it costs less than what is measured. */

import { createServer, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { answerOf, BODY, targetOf, UPLOADED, type Workload } from './workload.ts';

export interface OriginOptions {
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Given each request whole, head and body as they came; only for few and small ones. */
  readonly record?: (head: string, body: Buffer) => void;
}

export interface Origin {
  readonly port: number;
  close(): void;
}

const ANSWERS = new Map(
  Object.keys(BODY).map((size) => {
    const workload: Workload = { method: 'GET', size: size as keyof typeof BODY };
    return [targetOf(workload), framed(answerOf(workload))];
  }),
);
const UPLOAD_ANSWER = framed(UPLOADED);
const LAST_CHUNK = Buffer.from('0\r\n\r\n');

export async function startOrigin({ tls, record }: OriginOptions): Promise<Origin> {
  const sockets = new Set<Socket>();
  const serve = (socket: Socket) => {
    sockets.add(socket);
    socket.setNoDelay(true).once('close', () => sockets.delete(socket));
    socket.on('error', () => socket.destroy());
    answerAll(socket, record);
  };
  const server = tls === undefined ? createServer(serve) : createTlsServer(tls, serve);
  await new Promise<void>((resolve) => server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, resolve));
  return {
    port: (server.address() as { port: number }).port,
    close() {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

/** One request after the other: proxies do not pipeline. */
function answerAll(socket: Socket, record: OriginOptions['record']): void {
  let head = '';
  let body: IncomingBody | undefined;
  let begun: Buffer = Buffer.alloc(0);
  const take = (bytes: Buffer) => {
    if (body?.take(bytes) !== true) return;
    record?.(head, Buffer.concat(body.kept));
    const answer = head.startsWith('POST ') ? UPLOAD_ANSWER : ANSWERS.get(head.split(' ', 2)[1] as string);
    if (answer === undefined) socket.destroy();
    else socket.write(answer);
    body = undefined;
  };
  socket.on('data', (chunk: Buffer) => {
    if (body !== undefined) return take(chunk);
    const bytes = begun.length === 0 ? chunk : Buffer.concat([begun, chunk]);
    const end = bytes.indexOf('\r\n\r\n');
    begun = end === -1 ? bytes : Buffer.alloc(0);
    if (end === -1) return;
    head = bytes.toString('latin1', 0, end);
    body = new IncomingBody(head.startsWith('POST ') ? bodyLength(head) : 0, record !== undefined);
    take(bytes.subarray(end + 4));
  });
}

class IncomingBody {
  readonly kept: Buffer[] = [];
  readonly #keep: boolean;
  #left: number | 'chunked';
  #tail: Buffer = Buffer.alloc(0);

  constructor(length: number | 'chunked', keep: boolean) {
    this.#left = length;
    this.#keep = keep;
  }

  /** Whether that was the last of it. */
  take(bytes: Buffer): boolean {
    if (this.#keep) this.kept.push(bytes);
    if (this.#left !== 'chunked') {
      this.#left -= bytes.length;
      return this.#left === 0;
    }
    // Bodies of the benchmark hold no line break: nothing but their end looks like this.
    this.#tail = Buffer.concat([this.#tail, bytes.subarray(-LAST_CHUNK.length)]).subarray(-LAST_CHUNK.length);
    return this.#tail.equals(LAST_CHUNK);
  }
}

function bodyLength(head: string): number | 'chunked' {
  const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
  return length === undefined ? 'chunked' : Number(length);
}

function framed(body: Buffer): Buffer {
  const head = `HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\nDate: ${new Date().toUTCString()}\r\nContent-Length: ${body.length}\r\n\r\n`;
  return Buffer.concat([Buffer.from(head), body]);
}
