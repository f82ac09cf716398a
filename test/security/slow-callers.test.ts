/**
 * The attack: many connections that say a byte at a time, or nothing, so that no room is left for others (slowloris). They are cut at
 * their limits, while others are served; and heads at the limits of size are taken or refused exactly, never cut.
 */

import { once } from 'node:events';
import { connect } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';
import { openRaw, type RawConnection, sendRaw } from '../helpers/raw-client.ts';
import { scaled } from '../helpers/scale.ts';

let scene: Scene;
afterEach(() => scene.close());

const COUNT = scaled(100, 500);
const LIMITS = { headTimeout: '500ms', idleTimeout: '500ms' };

async function start(limits: Record<string, unknown>, tls?: Record<string, unknown>): Promise<void> {
  const local = { address: '127.0.0.1:0', authenticate: ['anonymous'], limits, ...(tls && { tls }) };
  scene = await startScene({ config: { listeners: { local } } });
}

/** Many at once, each with its first bytes, then one byte now and then. */
async function drip(first: string, rest: string): Promise<RawConnection[]> {
  const connections = await Promise.all(Array.from({ length: COUNT }, () => openRaw(scene.address())));
  for (const connection of connections) {
    let at = 0;
    if (first !== '') connection.write(first);
    const timer = rest === '' ? undefined : setInterval(() => connection.socket.writable && connection.write(rest.charAt(at++)), 100);
    void connection.closed.then(() => clearInterval(timer));
  }
  return connections;
}

async function goodCallers(): Promise<number[]> {
  const answers = await Promise.all(Array.from({ length: 20 }, () => request(`${scene.url()}/api/good`)));
  return [...new Set(answers.map(({ status }) => status))];
}

async function untilNoneIsOpen(): Promise<void> {
  while (!/^token_broker_connections_open\{listener="local"\} 0$/m.test(await scene.metrics()))
    await new Promise((resolve) => setTimeout(resolve, 20));
}

describe('slow callers', () => {
  test.each([
    ['say nothing', '', '', ''],
    ['say their head a byte at a time', 'GET /api/slow HT', `TP/1.1\r\nX: ${'x'.repeat(100)}`, '408'],
    ['send a body and stop', 'PUT /api/slow HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf', '', '408'],
    ['keep a connection after their answer', 'GET /api/slow HTTP/1.1\r\nHost: localhost\r\n\r\n', '', '200'],
  ])('S04 that %s are cut, while others are served', async (_what, first, rest, status) => {
    await start(LIMITS);
    const connections = await drip(first, rest);
    expect(await goodCallers()).toEqual([200]);
    await Promise.all(connections.map(({ closed }) => closed));
    const statuses = new Set(connections.map((connection) => /^HTTP\/1\.1 (\d+)/.exec(connection.text())?.[1] ?? ''));
    expect([...statuses]).toEqual([status]);
    await untilNoneIsOpen();
    expect(await goodCallers()).toEqual([200]);
  });

  test('S04 that take nothing of their answer are cut, and the upstream request with them', async () => {
    await start(LIMITS);
    const block = Buffer.alloc(1024 ** 2);
    scene.origin.answer = ({ target }, connection) => {
      if (target === '/good') return 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok';
      connection.write(`HTTP/1.1 200 OK\r\nContent-Length: ${64 * block.length}\r\n\r\n`);
      for (let i = 0; i < 64; i += 1) connection.write(block);
      return undefined;
    };
    const connections = await Promise.all(Array.from({ length: 5 }, () => openRaw(scene.address())));
    for (const connection of connections) {
      connection.socket.pause();
      connection.write('GET /api/large HTTP/1.1\r\nHost: localhost\r\n\r\n');
    }
    await scene.origin.untilRequests(5);
    expect(await goodCallers()).toEqual([200]);
    await untilNoneIsOpen();
    await scene.origin.until((server) => server.connections.every(({ socket }) => socket.destroyed || socket.writableLength === 0));
    for (const { socket } of connections) socket.destroy();
    expect(await goodCallers()).toEqual([200]);
  });
});

describe('TLS', () => {
  async function startTls(): Promise<string> {
    const authority = await sharedAuthority();
    const { cert, key } = await authority.issueServer();
    await start({ headTimeout: '500ms' }, { cert: { unsafeInline: cert }, key: { unsafeInline: key } });
    return authority.certificate;
  }

  const dial = () => connect(Number(scene.address().split(':')[1]), '127.0.0.1');

  test.each([
    ['silence', () => Buffer.alloc(0)],
    ['plain HTTP', () => Buffer.from('GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n')],
    ['garbage', () => Buffer.alloc(500, 0xa5)],
    ['half a handshake', () => Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01])],
  ])('S06 connections of %s instead of a handshake are dropped, and others are served', async (_what, bytes) => {
    const ca = await startTls();
    const sockets = Array.from({ length: scaled(50, 200) }, () => {
      const socket = dial();
      socket.on('error', () => undefined).on('data', () => undefined);
      if (bytes().length > 0) socket.write(bytes());
      return socket;
    });
    expect((await request(`${scene.url()}/api/good`, { tls: { ca } })).status).toBe(200);
    await Promise.all(
      sockets.map((socket) => new Promise((resolve) => (socket.destroyed ? resolve(undefined) : socket.on('close', resolve)))),
    );
    expect((await request(`${scene.url()}/api/good`, { tls: { ca } })).status).toBe(200);
    expect(scene.origin.requests).toHaveLength(2);
  });
});

describe('TLS 1.2', () => {
  test('S06 knows no second handshake on a connection: whoever wants one is sent away, and others are served', async () => {
    const authority = await sharedAuthority();
    const { cert, key } = await authority.issueServer();
    await start({}, { cert: { unsafeInline: cert }, key: { unsafeInline: key } });
    const { socket, closed } = await openRaw(scene.address(), { tls: { ca: authority.certificate, maxVersion: 'TLSv1.2' } });
    const refused = once(socket, 'error');
    (socket as TLSSocket).renegotiate({}, () => undefined);
    expect(await refused).toMatchObject([{ code: 'ERR_SSL_NO_RENEGOTIATION' }]);
    await closed;
    const tls = { ca: authority.certificate, maxVersion: 'TLSv1.2' } as const;
    expect((await request(`${scene.url()}/api/good`, { tls })).status).toBe(200);
  });
});

describe('heads at their limits', () => {
  const ask = async (lines: readonly string[]) => {
    const { text } = await sendRaw(scene.address(), `${lines.join('\r\n')}\r\n\r\n`);
    return Number(/^HTTP\/1\.1 (\d+) /.exec(text)?.[1]);
  };
  const START = ['GET /api/x HTTP/1.1', 'Host: localhost', 'Connection: close'];

  test.each([
    [16_384, 200],
    [16_385, 431],
    [17_408, 431],
    [100_000, 431],
  ])('S05 a head of %i bytes: %i', async (bytes, status) => {
    await start({});
    const without = `${START.join('\r\n')}\r\nX: \r\n\r\n`.length;
    expect(await ask([...START, `X: ${'x'.repeat(bytes - without)}`])).toBe(status);
    if (status === 200) expect(scene.origin.requests[0]?.field('x')).toEqual(['x'.repeat(bytes - without)]);
    else expect(scene.origin.requests).toEqual([]);
  });

  test.each([
    [100, 200],
    [101, 431],
  ])('S05 %i fields: %i', async (count, status) => {
    await start({});
    expect(await ask([...START, ...Array.from({ length: count - 2 }, (_, index) => `X-${index}: ${index}`)])).toBe(status);
    if (status === 200) expect(scene.origin.requests[0]?.field(`x-${count - 3}`)).toEqual([String(count - 3)]);
  });

  test.each([
    [8_192, 200],
    [8_193, 414],
    [30_000, 414],
  ])('S05 a target of %i bytes: %i', async (bytes, status) => {
    await start({});
    const target = `/api/${'x'.repeat(bytes - 5)}`;
    expect(await ask([`GET ${target} HTTP/1.1`, ...START.slice(1)])).toBe(status);
    if (status === 200) expect(scene.origin.requests[0]?.target).toBe(target.slice(4));
  });
});
