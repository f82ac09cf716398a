/** A server that answers with exactly the bytes it is told to, and keeps exactly the bytes it received. */

import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { type FramedRequest, fieldLines, frame } from './message-framing.ts';

export interface ScriptedRequest extends FramedRequest {
  readonly connectionId: number;
  /** 1 for the first request of this server, over all connections. */
  readonly count: number;
  /** True when it was there before a single byte had answered the request before it on the same connection. */
  readonly pipelined: boolean;
  readonly method: string;
  readonly target: string;
  /** The values of a field, in order. */
  field(name: string): string[];
}

/** What a connection looked like when it ended in the middle of something. */
interface Leftover {
  readonly connectionId: number;
  /** `cut`: a message that never became whole. `broken`: bytes that are no well-framed message. */
  readonly kind: 'cut' | 'broken';
  readonly problem: string;
  readonly bytes: Buffer;
}

export interface ScriptedConnection {
  readonly id: number;
  readonly socket: Socket;
  write(bytes: string | Uint8Array): void;
  /** FIN after what was written. */
  end(): void;
  /** RST. */
  reset(): void;
  /** Resolves when the connection is gone: how the other side, or we, ended it. */
  readonly closed: Promise<'fin' | 'reset'>;
}

/** Bytes are written as they are (a string as latin1); nothing: the script writes by itself, or lets the other side wait. */
export type Script = (request: ScriptedRequest, connection: ScriptedConnection) => Said | Promise<Said>;

type Said = string | Uint8Array | undefined;

export interface ScriptedServerOptions {
  readonly answer: Script;
  readonly tls?: TlsOptions;
  /** Runs as soon as a head is there, before its body; what it gives is written at once. */
  readonly onHead?: (head: string, connection: ScriptedConnection) => Said;
  /** Runs when a connection is open. */
  readonly onConnection?: (connection: ScriptedConnection) => void;
  readonly port?: number;
}

export interface ScriptedServer {
  readonly port: number;
  /** `http://127.0.0.1:…` or `https://127.0.0.1:…`. */
  readonly url: string;
  /** May be replaced while the server runs. */
  answer: Script;
  readonly requests: readonly ScriptedRequest[];
  readonly leftovers: readonly Leftover[];
  /** Every connection there ever was. */
  readonly connections: readonly ScriptedConnection[];
  openConnections(): number;
  /** All bytes ever received, connection after connection. */
  received(): Buffer;
  /** Resolves once `reached` is true; it is looked at whenever something has happened here. */
  until(reached: (server: ScriptedServer) => boolean): Promise<void>;
  /** Resolves with the requests once there are that many. */
  untilRequests(count: number): Promise<readonly ScriptedRequest[]>;
  /** Drops every connection; rejects when a script threw. */
  close(): Promise<void>;
}

/** Starts it on a loopback port of its own. It keeps all bytes in memory: not for bodies beyond some megabytes. */
export async function startScriptedServer(options: ScriptedServerOptions): Promise<ScriptedServer> {
  const requests: ScriptedRequest[] = [];
  const leftovers: Leftover[] = [];
  const connections: ScriptedConnection[] = [];
  const streams: Buffer[][] = [];
  const errors: unknown[] = [];
  const sockets = new Set<Socket>();
  const watchers = new Set<() => void>();
  const happened = () => {
    for (const look of watchers) look();
  };
  const accept = (socket: Socket) => {
    const connection = connectionOf(socket, connections.length + 1);
    const stream: Buffer[] = [];
    connections.push(connection);
    streams.push(stream);
    void connection.closed.then(happened);
    socket.on('data', () => queueMicrotask(happened));
    readRequests(connection, stream, {
      onHead: (head) => options.onHead?.(head, connection),
      onRequest: (framed, pipelined) => {
        const request = requestOf(framed, connection.id, requests.length + 1, pipelined);
        requests.push(request);
        happened();
        return request;
      },
      answer: (request) => scripted.answer(request, connection),
      onLeftover: (leftover) => {
        leftovers.push(leftover);
        happened();
      },
      onError: (error) => void errors.push(error),
    });
    options.onConnection?.(connection);
    happened();
  };
  const server = options.tls === undefined ? createServer({ noDelay: true }, accept) : createTlsServer(options.tls, accept);
  // A refused handshake is the test's business, told by the client.
  server.on('tlsClientError', () => {});
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  const port = await listen(server, options.port ?? 0);
  const until = (reached: (server: ScriptedServer) => boolean) =>
    new Promise<void>((resolve) => {
      const look = () => {
        if (!reached(scripted)) return;
        watchers.delete(look);
        resolve();
      };
      watchers.add(look);
      look();
    });
  const scripted: ScriptedServer = {
    port,
    url: `${options.tls === undefined ? 'http' : 'https'}://127.0.0.1:${port}`,
    answer: options.answer,
    requests,
    leftovers,
    connections,
    openConnections: () => connections.filter((connection) => !connection.socket.destroyed).length,
    received: () => Buffer.concat(streams.flat()),
    until,
    untilRequests: async (count) => {
      await until(() => requests.length >= count);
      return requests;
    },
    close: () =>
      new Promise((resolve, reject) => {
        server.close(() => (errors.length === 0 ? resolve() : reject(new Error('a script threw', { cause: errors[0] }))));
        for (const socket of sockets) socket.destroy();
      }),
  };
  return scripted;
}

interface Reader {
  onHead(head: string): Said;
  onRequest(framed: FramedRequest, pipelined: boolean): ScriptedRequest;
  answer(request: ScriptedRequest): ReturnType<Script>;
  onLeftover(leftover: Leftover): void;
  onError(error: unknown): void;
}

/** Takes requests off a connection one after the other; the next is answered when the one before has been. */
function readRequests(connection: ScriptedConnection, stream: Buffer[], reader: Reader): void {
  let pending: Buffer = Buffer.alloc(0);
  let headSeen = false;
  let broken = false;
  let writtenBefore = -1;
  let answers: Promise<void> = Promise.resolve();
  const respond = (request: ScriptedRequest) => {
    answers = answers
      .then(() => reader.answer(request))
      .then((bytes) => {
        if (bytes !== undefined && connection.socket.writable) connection.write(bytes);
      })
      .catch((error: unknown) => reader.onError(error));
  };
  const look = () => {
    while (!broken && pending.length > 0) {
      const framed = frame(pending);
      const head = framed.state === 'whole' ? framed.request.head : framed.state === 'partial' ? framed.head : undefined;
      if (head !== undefined && !headSeen) {
        headSeen = true;
        const early = reader.onHead(head);
        if (early !== undefined) connection.write(early);
      }
      if (framed.state === 'partial') return;
      if (framed.state === 'broken') {
        broken = true;
        reader.onLeftover({ connectionId: connection.id, kind: 'broken', problem: framed.problem, bytes: pending });
        return;
      }
      pending = framed.rest;
      headSeen = false;
      const written = connection.socket.bytesWritten;
      respond(reader.onRequest(framed.request, written === writtenBefore));
      writtenBefore = written;
    }
  };
  connection.socket.on('data', (chunk: Buffer) => {
    stream.push(chunk);
    pending = Buffer.concat([pending, chunk]);
    look();
  });
  connection.socket.on('close', () => {
    if (!broken && pending.length > 0)
      reader.onLeftover({ connectionId: connection.id, kind: 'cut', problem: 'the message is not whole', bytes: pending });
  });
}

function requestOf(framed: FramedRequest, connectionId: number, count: number, pipelined: boolean): ScriptedRequest {
  const [method = '', target = ''] = (framed.head.split('\r\n')[0] ?? '').split(' ');
  return { ...framed, connectionId, count, pipelined, method, target, field: (name) => fieldLines(framed.head, name) };
}

function connectionOf(socket: Socket, id: number): ScriptedConnection {
  let ending: 'fin' | 'reset' = 'fin';
  socket.on('error', () => {
    ending = 'reset';
  });
  return {
    id,
    socket,
    write: (bytes) => void socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes),
    end: () => void socket.end(),
    reset: () => {
      ending = 'reset';
      socket.resetAndDestroy();
    },
    closed: new Promise((resolve) => {
      socket.on('close', () => resolve(ending));
    }),
  };
}

function listen(server: Server, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      const bound = server.address();
      resolve(typeof bound === 'object' && bound !== null ? bound.port : port);
    });
  });
}
