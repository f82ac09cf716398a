/** Bytes that wait for a slow side stay as they are: reading on never writes over them. */

import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect as connectTcp, type Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { afterEach, describe, expect, test } from '@jest/globals';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { type Identity, sharedAuthority } from '../helpers/certificates.ts';
import { scaled } from '../helpers/scale.ts';

let broker: TestBroker;
const closers: (() => void)[] = [];
afterEach(async () => {
  await broker.close();
  for (const close of closers.splice(0)) close();
});

const sha = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

async function serve(listener: RequestListener, tls?: Identity): Promise<number> {
  const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  closers.push(() => {
    server.close();
    server.closeAllConnections();
  });
  return (server.address() as AddressInfo).port;
}

/** Takes what comes in sips: the sender is ahead of it all the time. */
function sip(socket: Readable, take: (bytes: Buffer) => void): void {
  socket.on('data', (bytes: Buffer) => {
    take(bytes);
    socket.pause();
    setTimeout(() => socket.resume(), 1);
  });
}

const CONNECTIONS = scaled(6, 50);
const BYTES = scaled(4, 32) * 1024 ** 2;

async function start(callerTls: boolean, upstream: RequestListener, upstreamTls: boolean): Promise<void> {
  const authority = await sharedAuthority();
  const identity = await authority.issueServer();
  const port = await serve(upstream, upstreamTls ? identity : undefined);
  const tls = callerTls ? { cert: { unsafeInline: identity.cert }, key: { unsafeInline: identity.key } } : undefined;
  broker = await startBroker({
    listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'], ...(tls && { tls }) } },
    routes: {
      api: {
        path: '/api',
        callers: ['anonymous'],
        token: null,
        upstream: `${upstreamTls ? 'https' : 'http'}://127.0.0.1:${port}`,
        upstreamTls: upstreamTls ? { ca: authority.certificate } : {},
      },
    },
  });
}

async function dial(): Promise<Socket> {
  const { host, port } = parse(broker.url());
  const { certificate } = await sharedAuthority();
  const secure = broker.url().startsWith('https:');
  const socket = secure ? connectTls({ host, port, ca: certificate, servername: 'localhost' }) : connectTcp({ host, port });
  await once(socket, secure ? 'secureConnect' : 'connect');
  return socket;
}

function parse(url: string): { host: string; port: number } {
  const { hostname, port } = new URL(url);
  return { host: hostname, port: Number(port) };
}

describe.each([
  ['plain on both sides', false, false],
  ['TLS to the upstream', false, true],
  ['TLS to the caller', true, false],
  ['TLS on both sides', true, true],
])('%s', (_what, callerTls, upstreamTls) => {
  test('S02 what slow callers are given is what the upstream said, many at once', async () => {
    const bodies = Array.from({ length: CONNECTIONS }, () => randomBytes(BYTES));
    const upstream: RequestListener = (request, response) => {
      const body = bodies[Number(request.url?.slice(1))] as Buffer;
      response.writeHead(200, Number(request.url?.slice(1)) % 2 === 0 ? { 'content-length': BYTES } : {});
      response.end(body);
    };
    await start(callerTls, upstream, upstreamTls);
    const got = await Promise.all(bodies.map((_body, index) => download(index)));
    expect(got).toEqual(bodies.map(sha));
  });

  test('S02 what slow upstreams are given is what the callers said, many at once', async () => {
    const upstream: RequestListener = (request, response) => {
      const hash = createHash('sha256');
      sip(request, (bytes) => hash.update(bytes));
      request.on('end', () => response.end(hash.digest('hex')));
    };
    await start(callerTls, upstream, upstreamTls);
    const bodies = Array.from({ length: CONNECTIONS }, () => randomBytes(BYTES));
    const got = await Promise.all(bodies.map(upload));
    expect(got).toEqual(bodies.map(sha));
  });
});

async function download(index: number): Promise<string> {
  const socket = await dial();
  const parser = new BodyParser();
  sip(socket, (bytes) => parser.take(bytes));
  socket.write(`GET /api/${index} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  await once(socket, 'end');
  socket.destroy();
  return parser.hash();
}

async function upload(body: Buffer, index: number): Promise<string> {
  const socket = await dial();
  const framing = index % 2 === 0 ? `Content-Length: ${BYTES}` : 'Transfer-Encoding: chunked';
  socket.write(`PUT /api/${index} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${framing}\r\n\r\n`);
  if (index % 2 === 0) socket.write(body);
  else for (let at = 0; at < BYTES; at += 10_000) socket.write(chunk(body.subarray(at, at + 10_000)));
  if (index % 2 === 1) socket.write('0\r\n\r\n');
  const chunks: Buffer[] = [];
  socket.on('data', (bytes: Buffer) => chunks.push(bytes));
  await once(socket, 'end');
  socket.destroy();
  return /[0-9a-f]{64}/.exec(Buffer.concat(chunks).toString())?.[0] ?? '';
}

function chunk(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`), bytes, Buffer.from('\r\n')]);
}

/** Hashes the body of one answer, by length or in chunks; a reader of the test's own. */
class BodyParser {
  #bytes: Buffer[] = [];

  take(bytes: Buffer): void {
    this.#bytes.push(bytes);
  }

  hash(): string {
    const all = Buffer.concat(this.#bytes);
    const start = all.indexOf('\r\n\r\n') + 4;
    if (!/transfer-encoding/i.test(all.toString('latin1', 0, start))) return sha(all.subarray(start));
    const data = createHash('sha256');
    for (let at = start; ; ) {
      const lineEnd = all.indexOf('\r\n', at);
      const size = Number.parseInt(all.toString('latin1', at, lineEnd), 16);
      if (size === 0) return data.digest('hex');
      data.update(all.subarray(lineEnd + 2, lineEnd + 2 + size));
      at = lineEnd + size + 4;
    }
  }
}
