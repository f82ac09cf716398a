/** What Node's own parser, llhttp, makes of the same bytes: an opinion that is not ours. */

import { createServer, request as httpRequest, type IncomingMessage } from 'node:http';
import { Duplex } from 'node:stream';

export interface SeenRequest {
  readonly method: string;
  readonly target: string;
  readonly body: string;
}

/** A connection whose bytes are all here. */
class Given extends Duplex {
  override _read(): void {}
  override _write(_chunk: unknown, _encoding: unknown, done: () => void): void {
    done();
  }
}

export interface SeenRequests {
  readonly seen: readonly SeenRequest[];
  /** llhttp's code for what follows them. */
  readonly refused: string | undefined;
}

/** The whole requests on a connection, up to the first that is refused. */
export async function readRequests(bytes: Buffer, expected: number): Promise<SeenRequests> {
  const seen: (SeenRequest | undefined)[] = [];
  let whole = 0;
  let refused: string | undefined;
  const server = createServer({ maxHeaderSize: 64 * 1024, insecureHTTPParser: false }, (request, response) => {
    const index = seen.length;
    seen.push(undefined);
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString('latin1');
    });
    request.on('error', () => {});
    request.on('end', () => {
      seen[index] = { method: request.method ?? '', target: request.url ?? '', body };
      whole += 1;
      response.end();
    });
  });
  server.on('clientError', (error: NodeJS.ErrnoException) => {
    refused = error.code;
  });
  for (const event of ['checkExpectation', 'checkContinue']) server.on(event, (...of) => server.emit('request', ...of));
  const connection = new Given();
  connection.on('error', () => {});
  server.emit('connection', connection);
  connection.push(bytes);
  // It reads in turns of the event loop; more than it needs.
  for (let turn = 0; turn < 4 + 4 * expected && refused === undefined && !connection.destroyed; turn += 1) {
    if (turn > 3 && whole > expected) break;
    await new Promise((resolve) => setImmediate(resolve));
  }
  connection.destroy();
  const end = seen.indexOf(undefined);
  return { seen: (end === -1 ? seen : seen.slice(0, end)) as SeenRequest[], refused };
}

export interface SeenAnswer {
  readonly status: number;
  readonly body: string;
  readonly complete: boolean;
}

/** The answer to one request, and whether it was whole; `undefined` where llhttp refuses it. */
export function readAnswer(method: string, bytes: Buffer): Promise<SeenAnswer | undefined> {
  return new Promise((resolve) => {
    const connection = new Given();
    const outgoing = httpRequest({ method, createConnection: () => connection, host: 'localhost' }, (message: IncomingMessage) => {
      let body = '';
      message.on('data', (chunk: Buffer) => {
        body += chunk.toString('latin1');
      });
      message.on('error', () => {});
      message.on('close', () => resolve({ status: message.statusCode ?? 0, body, complete: message.complete }));
    });
    outgoing.on('error', () => resolve(undefined));
    outgoing.end();
    connection.push(bytes);
    connection.push(null);
  });
}
