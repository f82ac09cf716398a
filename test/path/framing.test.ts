/** How messages are delimited on the way to the upstream: always stated anew, never as the caller stated it. */

import { randomBytes } from 'node:crypto';
import { Readable } from 'node:stream';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, secretHash, startScene } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { fieldLines } from '../helpers/message-framing.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';
import { answerWith, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';

let scene: Scene;
afterEach(() => scene.close());

async function basicOnly(): Promise<Record<string, unknown>> {
  return {
    listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic'] } },
    callers: { billing: { basic: { passwordHash: await secretHash() } } },
  };
}

const SMUGGLED = 'GET /api/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n';

describe('framing', () => {
  test.each(['GET', 'HEAD', 'DELETE', 'OPTIONS'])('H05 the body of a %s that looks like a request stays a body', async (method) => {
    scene = await startScene();
    const chunk = `${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`;
    const head = `${method} /api/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`;
    const { text } = await sendRaw(scene.address(), head + chunk);
    expect(text).toMatch(/^HTTP\/1.1 200 /);
    expect(scene.origin.requests.map((each) => each.target)).toEqual(['/x']);
    expect(scene.origin.requests[0]?.body.toString()).toBe(SMUGGLED);
    expect(scene.origin.leftovers).toEqual([]);
  });

  test.each(['DELETE', 'PATCH', 'POST', 'PUT'])('H06 the length of a %s is kept exactly', async (method) => {
    scene = await startScene();
    expect((await request(`${scene.url()}/api/x`, { method, body: 'five!' })).status).toBe(200);
    const { head, body } = scene.origin.requests[0] as { head: string; body: Buffer };
    expect(body.toString()).toBe('five!');
    expect(fieldLines(head, 'content-length')).toEqual(['5']);
    expect(fieldLines(head, 'transfer-encoding')).toEqual([]);
  });

  test.each([
    ['POST with length 0', 'POST', ['Content-Length: 0']],
    ['POST without a body', 'POST', []],
    ['GET', 'GET', []],
    ['DELETE', 'DELETE', []],
  ])('H06 no transfer coding is added to a bodyless %s', async (_what, method, fields) => {
    scene = await startScene();
    await sendRaw(
      scene.address(),
      `${[`${method} /api/x HTTP/1.1`, 'Host: localhost', ...fields, 'Connection: close'].join('\r\n')}\r\n\r\n`,
    );
    const { head, body } = scene.origin.requests[0] as { head: string; body: Buffer };
    expect(body).toHaveLength(0);
    expect(fieldLines(head, 'transfer-encoding')).toEqual([]);
    expect(fieldLines(head, 'content-length')).toEqual(method === 'POST' ? ['0'] : []);
  });

  test('streams bodies both ways byte for byte, with and without a length', async () => {
    const sent = randomBytes(3 * 1024 * 1024);
    scene = await startScene({ origin: (asked) => answerWith(200, [], asked.body) });
    expect((await request(`${scene.url()}/api/x`, { method: 'PUT', body: sent })).body.equals(sent)).toBe(true);
    const chunked = await request(`${scene.url()}/api/x`, { method: 'PUT', body: Readable.from(sent, { objectMode: false }) });
    expect(chunked.body.equals(sent)).toBe(true);
  });

  test('nothing is read of a body before the token is there: Expect is answered by one owner', async () => {
    scene = await startScene({ origin: (asked) => answerWith(200, [], asked.body) });
    const connection = await openRaw(scene.address());
    connection.write('PUT /api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n');
    await connection.waitFor('HTTP/1.1 100 Continue\r\n\r\n');
    connection.write('hello');
    expect((await connection.waitFor('hello')).match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 100', 'HTTP/1.1 200']);
    expect(fieldLines(scene.origin.requests[0]?.head ?? '', 'expect')).toEqual([]);
    connection.reset();
  });

  test('a refused upload is never asked for', async () => {
    scene = await startScene();
    const { text } = await sendRaw(
      scene.address(),
      'PUT /elsewhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n',
    );
    expect(text).toMatch(/^HTTP\/1.1 404 /);
    expect(text).toMatch(/connection: close/i);
  });

  test.each([
    ['announced', ['Content-Length: 11'], 'hello world'],
    ['chunked', ['Transfer-Encoding: chunked'], 'b\r\nhello world\r\n0\r\n\r\n'],
  ])('a body larger than maxBody is 413 (%s)', async (_what, fields, body) => {
    scene = await startScene({ route: { maxBody: '10B' } });
    const { text } = await sendRaw(scene.address(), `${['PUT /api/x HTTP/1.1', 'Host: localhost', ...fields].join('\r\n')}\r\n\r\n${body}`);
    expect(text).toMatch(/^HTTP\/1.1 413 /);
    expect(text).toContain('REQUEST_TOO_LARGE');
    expect(scene.origin.requests).toHaveLength(0);
  });

  test('a length that is announced above maxBody is 413 before a token is asked for', async () => {
    scene = await startScene({ route: { maxBody: '10B' }, token: () => oauthError('server_error', 503) });
    const answer = await request(`${scene.url()}/api/x`, { method: 'POST', body: '0123456789abcdef' });
    expect([answer.status, scene.authorizationServer.requests.length]).toEqual([413, 0]);
  });

  test('a broken chunk in the middle of an upload aborts the upstream request, and is answered 400', async () => {
    scene = await startScene();
    const connection = await openRaw(scene.address());
    connection.write('PUT /api/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n');
    await scene.origin.until((server) => server.received().includes('hello'));
    connection.write('zz\r\n');
    expect(await connection.waitFor(/REQUEST_INVALID/)).toMatch(/^HTTP\/1.1 400 /);
    await connection.closed;
    await scene.origin.until((server) => server.openConnections() === 0);
    expect(scene.origin.requests).toHaveLength(0);
  });

  test('a body that breaks off while its token is still awaited is answered 400, and nothing is left waiting', async () => {
    let answer: (text: string) => void = () => {};
    scene = await startScene({ token: () => new Promise<string>((resolve) => (answer = resolve)) });
    const connection = await openRaw(scene.address());
    connection.write('PUT /api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf');
    await scene.authorizationServer.untilRequests(1);
    connection.end();
    // The listener has seen the end before the token comes: the end is read in the turn after it arrived.
    await new Promise((resolve) => setTimeout(resolve, 100));
    answer(tokenAnswer());
    expect(await connection.waitFor(/REQUEST_INVALID/)).toMatch(/^HTTP\/1.1 400 /);
    await connection.closed;
    expect(await scene.logged('request')).toMatchObject({ status: 400 });
    expect(scene.origin.requests).toHaveLength(0);
  });

  test.each([
    ['a dot segment', 'GET /api/../x HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['two hosts', 'GET /api/x HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n'],
    ['a coding in HTTP/1.0', 'POST /api/x HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'],
    ['TRACE', 'TRACE /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['a cross-site page', 'GET /api/x HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n\r\n'],
    ['a bad line', 'GET /api/x HTTP/1.1\r\nbad line\r\n\r\n'],
  ])('H07 nothing that follows %s on its connection is carried out', async (_what, refused) => {
    scene = await startScene();
    await request(`${scene.url()}/api/warm`);
    const smuggled = 'POST /api/smuggled HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n';
    const { text } = await sendRaw(scene.address(), refused + smuggled);
    expect(text.match(/^HTTP\/1\.1 \d+/gm)).toHaveLength(1);
    await request(`${scene.url()}/api/after`);
    expect(scene.origin.requests.map((each) => each.target)).toEqual(['/warm', '/after']);
  });

  test('the head of an event stream does not wait for its first event', async () => {
    let send: (text: string) => void = () => {};
    scene = await startScene({
      origin: (_asked, connection) => {
        connection.write('HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n');
        send = (text) => connection.write(text);
        return undefined;
      },
    });
    const connection = await openRaw(scene.address());
    connection.write('GET /api/events HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await connection.waitFor('text/event-stream');
    send('5\r\nfirst\r\n');
    expect(await connection.waitFor('first')).toMatch(/^HTTP\/1\.1 200 /);
    connection.reset();
  });

  test('S04 a body that stops arriving is 408, and its upstream request is given up', async () => {
    const limits = { idleTimeout: '300ms' };
    scene = await startScene({ config: { listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'], limits } } } });
    const connection = await openRaw(scene.address());
    connection.write('PUT /api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf');
    expect(await connection.waitFor(/REQUEST_TIMEOUT/)).toMatch(/^HTTP\/1\.1 408 /);
    await connection.closed;
    await scene.origin.until((server) => server.openConnections() === 0);
    expect(scene.origin.requests).toHaveLength(0);
  });

  test('H12 CONNECT is answered with 501 in its turn, and a connection that breaks then breaks nothing else', async () => {
    scene = await startScene({ origin: async (asked) => answerWith(200, [], asked.target) });
    const connect = 'CONNECT elsewhere:443 HTTP/1.1\r\nHost: localhost\r\n\r\n';
    const { text } = await sendRaw(scene.address(), `GET /api/first HTTP/1.1\r\nHost: localhost\r\n\r\n${connect}`);
    expect(text.match(/HTTP\/1\.1 \d+|\/first/g)).toEqual(['HTTP/1.1 200', '/first', 'HTTP/1.1 501']);
    for (let i = 0; i < 100; i += 1) {
      const connection = await openRaw(scene.address());
      connection.write(connect);
      if (i % 2 === 1) await new Promise((resolve) => setTimeout(resolve, i % 7));
      connection.reset();
      await connection.closed;
    }
    expect((await request(`${scene.url()}/api/after`)).status).toBe(200);
  });

  test.each(['401', '404'])('a caller that is still sending 5 MiB sees its %s', async (status) => {
    scene = await startScene({ route: { callers: [] }, config: status === '401' ? await basicOnly() : {} });
    for (let i = 0; i < 10; i += 1) {
      const answer = await request(`${scene.url()}/nowhere`, { method: 'PUT', body: Buffer.alloc(5 * 1024 ** 2) });
      expect(answer.status).toBe(Number(status));
    }
  });

  test('H07 pipelined requests are answered in order, and a bad one ends the connection after its turn', async () => {
    scene = await startScene({ origin: (asked) => answerWith(200, [], asked.target) });
    const good = (path: string) => `GET /api/${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;
    const { text } = await sendRaw(scene.address(), `${good('one')}${good('two')}bad line\r\n\r\n${good('three')}`);
    expect(text.match(/HTTP\/1\.1 \d+|\/one|\/two|\/three/g)).toEqual(['HTTP/1.1 200', '/one', 'HTTP/1.1 200', '/two', 'HTTP/1.1 400']);
  });

  test.each([
    ['both lengths', 'Content-Length: 5\r\nTransfer-Encoding: chunked', 400],
    ['two lengths', 'Content-Length: 5\r\nContent-Length: 5', 400],
    ['a signed length', 'Content-Length: +5', 400],
    ['an unknown coding', 'Transfer-Encoding: gzip', 501],
    ['a coding twice', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', 400],
    ['no host', '', 400],
  ])('H01 %s is refused, the connection closed, and nobody else hears of it', async (_what, lines, status) => {
    scene = await startScene();
    const host = lines === '' ? '' : 'Host: localhost\r\n';
    const { text, closed } = await sendRaw(
      scene.address(),
      `POST /api/x HTTP/1.1\r\n${host}${lines === '' ? '' : `${lines}\r\n`}\r\nhello`,
    );
    expect(text).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    expect(['fin', 'reset']).toContain(closed);
    expect(scene.origin.requests).toHaveLength(0);
    expect(scene.authorizationServer.requests).toHaveLength(0);
  });
});
