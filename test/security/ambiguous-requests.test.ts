/**
 * The attack: a request that two servers on the way read in two ways, so that its body becomes a request of its own, with our token. Each
 * is refused on the raw bytes, its connection closed; neither the upstream nor the authorization server hears of it.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene();
});
afterAll(() => scene.close());

const SMUGGLED = 'GET /api/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n';

/** The status; expects that it is the only answer, that the connection ends, and that nobody else heard anything. */
async function refusalOf(bytes: string): Promise<number> {
  const before = [scene.origin.connections.length, scene.authorizationServer.requests.length];
  const { text, closed } = await sendRaw(scene.address(), Buffer.from(bytes, 'latin1'));
  expect(['fin', 'reset']).toContain(closed);
  expect(text).toMatch(/^connection: close$/im);
  expect(text.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
  expect([scene.origin.connections.length, scene.authorizationServer.requests.length]).toEqual(before);
  return Number(/^HTTP\/1\.1 (\d+) /.exec(text)?.[1]);
}

const post = (lines: string, body = `hello${SMUGGLED}`) => `POST /api/x HTTP/1.1\r\nHost: localhost\r\n${lines}\r\n\r\n${body}`;

describe('a request refused by its bytes', () => {
  test.each([
    'Content-Length: 5\r\nTransfer-Encoding: chunked',
    'Transfer-Encoding: chunked\r\nContent-Length: 5',
    'Content-Length: 5\r\nContent-Length: 5',
    'Content-Length: 5\r\nContent-Length: 6',
    'Content-Length: 5, 5',
    'Content-Length: +5',
    'Content-Length: -1',
    'Content-Length: 0x5',
    'Content-Length: 5e0',
    'Content-Length: 5 5',
    'Content-Length:',
    'Content-Length: 18446744073709551621',
    'Content-Length: 5\x0b',
    'Content-Length : 5',
    'Content-Length: 5\nX: y',
    'Content-Length: 5\rX: y',
    'X: y\r\n Content-Length: 5',
  ])('H01 the length %j: 400', async (lines) => {
    expect(await refusalOf(post(lines))).toBe(400);
  });

  test.each([
    ['xchunked', 501],
    ['"chunked"', 400],
    ['chunked, identity', 400],
    ['chunked, chunked', 400],
    [',chunked', 400],
    ['gzip, chunked', 400],
    ['', 400],
    ['gzip', 501],
    ['chunked;q=1', 400],
    ['chunked\x0b', 400],
    ['chunked\r\nTransfer-Encoding: chunked', 400],
    ['chunked\r\nTransfer-Encoding: identity', 400],
  ])('H02 the coding %j: %i', async (coding, status) => {
    expect(await refusalOf(post(`Transfer-Encoding: ${coding}`, `5\r\nhello\r\n0\r\n\r\n${SMUGGLED}`))).toBe(status);
  });

  test('H02 a coding in HTTP/1.0: 400', async () => {
    expect(await refusalOf(`POST /api/x HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`)).toBe(400);
  });

  test.each([
    ['none', ''],
    ['two lines', 'Host: localhost\r\nHost: localhost\r\n'],
    ['empty', 'Host:\r\n'],
    ['with a path', 'Host: a/b\r\n'],
    ['with userinfo', 'Host: u@a\r\n'],
    ['with two ports', 'Host: a:b:c\r\n'],
    ['with a space', 'Host: a b\r\n'],
    ['a list', 'Host: a, b\r\n'],
    ['with a space before the colon', 'Host : localhost\r\n'],
  ])('H08 a host %s: 400', async (_what, line) => {
    expect(await refusalOf(`GET /api/x HTTP/1.1\r\n${line}\r\n`)).toBe(400);
  });

  test.each([
    ['/api/../x', 400],
    ['/api/%2e%2e/x', 400],
    ['/api/.%2E/x', 400],
    ['/api%2f..%2fx', 400],
    ['/api/x#f', 400],
    ['*', 400],
    ['/api\\x', 400],
    ['/api/\x7f', 400],
    ['/api/\xe4', 400],
    ['/api/x\0', 400],
  ])('H09 the target %j: %i', async (target, status) => {
    expect(await refusalOf(`GET ${target} HTTP/1.1\r\nHost: localhost\r\n\r\n`)).toBe(status);
  });

  test('H09 a target of 9 KiB: 414', async () => {
    expect(await refusalOf(`GET /api/${'x'.repeat(9 * 1024)} HTTP/1.1\r\nHost: localhost\r\n\r\n`)).toBe(414);
  });

  test.each(['/api/x?p=/../b', '/api/a%2fb', '/api/a%5cb', '/api/x?a=b?c&d=%00', '/api//h/x', '/api/x;p=1', '/api/%7E~'])(
    'H09 the target %s goes on byte for byte',
    async (target) => {
      const { text } = await sendRaw(scene.address(), `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      expect(text).toMatch(/^HTTP\/1\.1 200 /);
      expect(scene.origin.requests.at(-1)?.target).toBe(target.slice('/api'.length));
    },
  );

  test.each([
    ['CONNECT elsewhere:443 HTTP/1.1', 501],
    ['get /api/x HTTP/1.1', 400],
    ['trace /api/x HTTP/1.1', 400],
    ['TRACE /api/x HTTP/1.1', 405],
    ['G@T /api/x HTTP/1.1', 400],
    ['GET /api/x', 400],
    ['GET /api/x HTTP/1.2', 505],
    ['GET /api/x HTTP/2.0', 505],
    ['GET /api/x HTTP/0.9', 505],
    ['PRI * HTTP/2.0', 505],
    ['GET  /api/x HTTP/1.1', 400],
    ['GET\t/api/x HTTP/1.1', 400],
    ['GET /api/x HTTP/1.1 ', 400],
    ['GET /api/x http/1.1', 400],
  ])('H12 %j: %i', async (line, status) => {
    expect(await refusalOf(`${line}\r\nHost: localhost\r\n\r\n`)).toBe(status);
  });

  test.each(['X: \x7f', 'X: a\x01b', 'X: a\0b', 'X\x80: a', 'X: a\x1b[1m'])('N10 the field line %j: 400', async (line) => {
    expect(await refusalOf(post(line, ''))).toBe(400);
  });

  test('N10 bytes beyond ASCII go on as they are', async () => {
    await sendRaw(
      scene.address(),
      Buffer.from('GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: \x80\xff\xc3\xa4\r\n\r\n', 'latin1'),
    );
    expect(scene.origin.requests.at(-1)?.field('x')).toEqual(['\x80\xff\xc3\xa4']);
  });
});

describe('a body in chunks that breaks on its way', () => {
  const HEAD = 'PUT /api/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n';

  test.each([
    ['0x5', '0x5\r\nhello\r\n'],
    ['+5', '+5\r\nhello\r\n'],
    ['a space before', ' 5\r\nhello\r\n'],
    ['a space behind', '5 \r\nhello\r\n'],
    ['0_5', '0_5\r\nhello\r\n'],
    ['-1', '-1\r\nhello\r\n'],
    ['17 digits', '10000000000000005\r\nhello\r\n'],
    ['no size', '\r\nhello\r\n'],
    ['LF alone', '5\nhello\n'],
    ['more data than its size', '5\r\nhello!\r\n'],
    ['no CR LF behind the data', '5\r\nhello0\r\n\r\n'],
    ['LF alone at the end', '0\r\n\n'],
    ['a request in the trailers', '0\r\nGET /api/smuggled HTTP/1.1\r\n\r\n'],
    ['64 KiB of extensions', `5;${'x'.repeat(65_536)}\r\nhello\r\n`],
  ])('H03 H04 by %s: 400, and the upstream request is given up, not ended', async (_what, rest) => {
    const { origin } = scene;
    const before = [origin.requests.length, origin.leftovers.length] as const;
    const bodies = () => origin.received().toString('latin1').split('hello').length;
    const bodiesBefore = bodies();
    const connection = await openRaw(scene.address());
    connection.write(HEAD);
    await origin.until(() => bodies() > bodiesBefore);
    connection.write(rest + SMUGGLED);
    const text = await connection.waitFor('"requestId"');
    expect(text).toMatch(/^HTTP\/1\.1 400 /);
    expect(text.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
    await connection.closed;
    await origin.until(() => origin.leftovers.length > before[1]);
    expect([origin.requests.length, origin.leftovers.at(-1)?.kind]).toEqual([before[0], 'cut']);
  });

  test('H04 small extensions are dropped on the way, also one byte at a time', async () => {
    const connection = await openRaw(scene.address());
    const bytes =
      'PUT /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b;c="d e"\r\nhello\r\n0;f\r\n\r\n';
    for (const byte of bytes.split('')) {
      connection.write(byte);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await connection.closed;
    expect(connection.text()).toMatch(/^HTTP\/1\.1 200 /);
    const { raw, body } = scene.origin.requests.at(-1) as { raw: Buffer; body: Buffer };
    expect(body.toString()).toBe('hello');
    expect(raw.toString()).not.toMatch(/a=b|;f/);
  });
});

describe('pipelining', () => {
  test('H07 fifty requests, with bodies, are answered in order', async () => {
    const asked = Array.from({ length: 50 }, (_, index) =>
      index % 2 === 0
        ? `GET /api/${index} HTTP/1.1\r\nHost: localhost\r\n\r\n`
        : `POST /api/${index} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`,
    );
    const before = scene.origin.requests.length;
    const connection = await openRaw(scene.address());
    connection.write(asked.join(''));
    await connection.waitFor((text) => text.split('ok').length > 50);
    expect(scene.origin.requests.slice(before).map(({ target }) => target)).toEqual(asked.map((_each, index) => `/${index}`));
    connection.reset();
  });

  test('H07 nothing after Connection: close is carried out', async () => {
    const before = scene.origin.requests.length;
    const { text } = await sendRaw(scene.address(), `GET /api/last HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n${SMUGGLED}`);
    expect(text.match(/^HTTP\/1\.1 /gm)).toHaveLength(1);
    expect(scene.origin.requests.slice(before).map(({ target }) => target)).toEqual(['/last']);
  });
});
