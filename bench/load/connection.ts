/** One keep-alive connection of a load generator: sends the same request again and again, and reads each answer to its end. */

import { connect, type Socket } from 'node:net';

/** Of all connections: what is read is counted and forgotten before the next read. */
const READ_BUFFER = Buffer.allocUnsafe(256 * 1024);

export interface ConnectionParts {
  readonly port: number;
  readonly request: Buffer;
  /** Length of the body that must come back. */
  readonly expected: number;
  readonly answered: (connection: Connection) => void;
  /** The answer was not the one expected, or the connection broke. */
  readonly failed: (reason: string) => void;
}

export class Connection {
  readonly #parts: ConnectionParts;
  readonly #socket: Socket;
  #head: Buffer = Buffer.alloc(0);
  /** Bytes of the body still to come; `undefined` before the end of the head. */
  #left: number | undefined;

  private constructor(parts: ConnectionParts, opened: () => void) {
    this.#parts = parts;
    const callback = (length: number, buffer: Uint8Array) => {
      this.#read(buffer as Buffer, length);
      return true;
    };
    this.#socket = connect({ port: parts.port, host: '127.0.0.1', noDelay: true, onread: { buffer: READ_BUFFER, callback } }, opened);
    this.#socket.on('error', (error) => parts.failed(error.message));
    this.#socket.on('close', () => parts.failed('the connection was closed'));
  }

  static open(parts: ConnectionParts): Promise<Connection> {
    return new Promise((resolve) => {
      const connection: Connection = new Connection(parts, () => resolve(connection));
    });
  }

  send(): void {
    this.#socket.write(this.#parts.request);
  }

  close(): void {
    this.#socket.removeAllListeners('close').destroy();
  }

  #read(buffer: Buffer, length: number): void {
    let rest = length;
    if (this.#left === undefined) {
      const bytes = this.#head.length === 0 ? buffer.subarray(0, length) : Buffer.concat([this.#head, buffer.subarray(0, length)]);
      const end = bytes.indexOf('\r\n\r\n');
      if (end === -1) {
        this.#head = Buffer.from(bytes);
        return;
      }
      this.#head = Buffer.alloc(0);
      this.#left = this.#judge(bytes.toString('latin1', 0, end));
      rest = bytes.length - end - 4;
    }
    this.#left -= rest;
    if (this.#left > 0) return;
    if (this.#left < 0) this.#parts.failed('the answer is longer than its length');
    this.#left = undefined;
    this.#parts.answered(this);
  }

  #judge(head: string): number {
    const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1]);
    if (!head.startsWith('HTTP/1.1 200 ') || length !== this.#parts.expected) this.#parts.failed(`unexpected answer: ${head}`);
    return length;
  }
}

/** Opened some at a time, so that no backlog overflows. */
export async function openConnections(count: number, parts: ConnectionParts): Promise<Connection[]> {
  const connections: Connection[] = [];
  while (connections.length < count) {
    const some = Math.min(64, count - connections.length);
    connections.push(...(await Promise.all(Array.from({ length: some }, () => Connection.open(parts)))));
  }
  return connections;
}
