/** One connection of a caller, at its edges: what is read when, and what it may cost. */

import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { Reply, ReplySink } from '../../src/message.ts';
import { answerOk, startListener, type TestListener } from '../helpers/listener.ts';
import { openRaw } from '../helpers/raw-client.ts';

let server: TestListener;
afterEach(() => server.close());

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

describe('pipelining', () => {
  test('S02 no request is begun while the caller has not taken the answer before', async () => {
    const body = Buffer.alloc(64 * 1024, 'a');
    let sink: ReplySink | undefined;
    let handled = 0;
    let handledWhileFull = 0;
    let wake = () => {};
    const stuck = new Promise<void>((resolve) => (wake = resolve));
    server = await startListener((_request, reply) => {
      handled += 1;
      if (sink?.full) handledWhileFull += 1;
      sink = reply.start(200, '', ['content-length', String(body.length)], () => {});
      sink.chunk(body);
      sink.end([]);
      if (sink.full) wake();
    });
    const connection = await openRaw(server.address);
    connection.socket.pause();
    connection.write(get('/x').repeat(200));
    await stuck;
    let bytes = 0;
    connection.socket.on('data', (chunk: Buffer) => (bytes += chunk.length)).resume();
    while (bytes < 200 * body.length) await once(connection.socket, 'data');
    expect([handled, handledWhileFull]).toEqual([200, 0]);
    connection.reset();
  });

  test('H07 a body that nobody has read is read past, and the next request is answered as if alone', async () => {
    const replies: Reply[] = [];
    let wake = () => {};
    const asked = new Promise<void>((resolve) => (wake = resolve));
    server = await startListener((request, reply) => {
      if (request.target === '/second') {
        replies.push(reply);
        return wake();
      }
      setImmediate(() => answerOk(reply, Buffer.from('first')));
    });
    const connection = await openRaw(server.address);
    connection.write('POST /first HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody');
    connection.write('GET /second HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    await asked;
    answerOk(replies[0] as Reply, Buffer.from('second'));
    expect(await connection.waitFor('second')).toMatch(/first/);
    expect(await connection.closed).toBe('fin');
  });
});

describe('a caller that sends on', () => {
  test.each([
    ['behind an answer that closes the connection', 'Content-Length: 0\r\nConnection: close'],
    ['a body that nobody wants', `Content-Length: ${2 ** 40}`],
  ])('S05 %s is cut after 32 MiB', async (_what, fields) => {
    server = await startListener((_request, reply) => answerOk(reply));
    const socket = connect({ host: '127.0.0.1', port: Number(server.address.split(':')[1]), allowHalfOpen: true });
    const closed = new Promise((resolve) => socket.on('error', () => undefined).on('close', resolve));
    socket.write(`POST /x HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n\r\n`);
    await once(socket, 'data');
    const bytes = Buffer.alloc(256 * 1024);
    const more = () => void (socket.writable && socket.write(bytes, more));
    more();
    await closed;
    // What the system holds for either side comes on top.
    expect(socket.bytesWritten).toBeGreaterThan(32 * 1024 ** 2);
    expect(socket.bytesWritten).toBeLessThan(64 * 1024 ** 2);
  });
});

describe('a caller that goes away', () => {
  test('S07 is noticed also when the end of its body was paused', async () => {
    let left = () => {};
    const gone = new Promise<void>((resolve) => (left = resolve));
    let wake = () => {};
    const whole = new Promise<void>((resolve) => (wake = resolve));
    server = await startListener((request) => {
      const { body } = request;
      request.onAbandoned(left);
      body?.pipe({
        chunk: () => body.pause(),
        end() {
          setImmediate(() => {
            body.resume();
            wake();
          });
        },
        fail() {},
      });
    });
    const connection = await openRaw(server.address);
    connection.write('POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody');
    await whole;
    connection.reset();
    await gone;
    expect(server.listener.openConnections).toBe(0);
  });
});
