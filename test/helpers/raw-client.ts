/** A client that sends exactly the bytes it is told to. */

import { connect as connectTcp, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import { parseAddress } from '../../src/config/schema/values.ts';

/** `127.0.0.1:8080`, `[::1]:8080`, `unix:/path`, or the parts. */
export type Target = string | { readonly host?: string; readonly port: number };

/** How the other side ended the connection; `open` when it did not and we left. */
export type Ending = 'fin' | 'reset' | 'open';

export interface RawOptions {
  /** TLS with these options; the server name is `localhost` unless they say otherwise. */
  readonly tls?: ConnectionOptions;
}

export interface RawConnection {
  readonly socket: Socket;
  /** Everything received so far; one character is one byte. */
  text(): string;
  write(bytes: string | Uint8Array): void;
  /** Resolves with the whole text once it holds or matches `what`; rejects when the connection ends before. */
  waitFor(what: string | RegExp | ((text: string) => boolean)): Promise<string>;
  /** Sends FIN; what the other side still says is received. */
  end(): void;
  /** Sends RST. */
  reset(): void;
  readonly closed: Promise<Ending>;
}

/** Connects; write and wait step by step. */
export async function openRaw(target: Target, options: RawOptions = {}): Promise<RawConnection> {
  const socket = await connected(target, options);
  const chunks: Buffer[] = [];
  const waiting = new Set<(closed: boolean) => void>();
  let ending: Ending = 'open';
  const text = () => Buffer.concat(chunks).toString('latin1');
  const wake = (closed: boolean) => {
    for (const look of waiting) look(closed);
  };
  socket.on('data', (chunk: Buffer) => {
    chunks.push(chunk);
    wake(false);
  });
  socket.on('end', () => {
    ending = 'fin';
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'ECONNRESET' || error.code === 'EPIPE') ending = 'reset';
  });
  const closed = new Promise<Ending>((resolve) => {
    socket.on('close', () => {
      wake(true);
      resolve(ending);
    });
  });
  const waitFor = (what: string | RegExp | ((text: string) => boolean)) =>
    new Promise<string>((resolve, reject) => {
      const look = (isClosed: boolean) => {
        const soFar = text();
        if (matches(what, soFar)) resolve(soFar);
        else if (isClosed) reject(new Error(`the connection ended (${ending}) after ${JSON.stringify(soFar)}`));
        else return;
        waiting.delete(look);
      };
      waiting.add(look);
      look(socket.destroyed);
    });
  return {
    socket,
    text,
    write: (bytes) => void socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes),
    waitFor,
    end: () => void socket.end(),
    reset: () => void socket.resetAndDestroy(),
    closed,
  };
}

export interface SendOptions extends RawOptions {
  /** Leave once the text holds or matches this; default: stay until the other side closes. */
  readonly until?: string | RegExp | ((text: string) => boolean);
  /** Send FIN after the bytes. */
  readonly end?: boolean;
}

/** Sends the bytes and collects what comes back. */
export async function sendRaw(
  target: Target,
  bytes: string | Uint8Array,
  options: SendOptions = {},
): Promise<{ text: string; closed: Ending }> {
  const connection = await openRaw(target, options);
  connection.write(bytes);
  if (options.end) connection.end();
  if (options.until !== undefined) {
    await connection.waitFor(options.until);
    connection.socket.destroy();
  }
  const closed = await connection.closed;
  return { text: connection.text(), closed };
}

function matches(what: string | RegExp | ((text: string) => boolean), text: string): boolean {
  if (typeof what === 'string') return text.includes(what);
  return what instanceof RegExp ? what.test(text) : what(text);
}

function connected(target: Target, options: RawOptions): Promise<Socket> {
  const where = whereOf(target);
  return new Promise((resolve, reject) => {
    const socket =
      options.tls === undefined
        ? connectTcp({ ...where, allowHalfOpen: false, noDelay: true })
        : connectTls({ ...where, servername: 'localhost', ...options.tls });
    const ready = options.tls === undefined ? 'connect' : 'secureConnect';
    socket.once('error', reject);
    socket.once(ready, () => {
      socket.off('error', reject);
      resolve(socket);
    });
  });
}

function whereOf(target: Target): { host: string; port: number } | { path: string } {
  if (typeof target !== 'string') return { host: target.host ?? '127.0.0.1', port: target.port };
  const address = parseAddress(target);
  if (address === undefined) throw new Error(`"${target}" is not an address`);
  return address.kind === 'unix' ? { path: address.path } : { host: address.host, port: address.port };
}
