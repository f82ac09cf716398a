/** Answers that could be read in two ways, or in none: 502, their connection dropped, and the next request fine. */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { readAnswers } from '../fuzz/strict-answers.ts';
import { type Scene, startScene } from '../helpers/broker.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

let scene: Scene;
let said = '';
beforeAll(async () => {
  scene = await startScene({
    origin: ({ target }, connection) => {
      if (target !== '/odd') return answerWith(200, [], 'fine');
      // What says by its end where it ends must end.
      connection.socket.end(Buffer.from(said, 'latin1'));
      return undefined;
    },
  });
});
afterAll(() => scene.close());

const PLANTED = 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted';

async function ask(bytes: string, method = 'GET') {
  said = bytes;
  const asked = scene.origin.requests.length;
  const { text } = await sendRaw(scene.address(), `${method} /api/odd HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  const { answers, rest } = readAnswers(Buffer.from(text, 'latin1'), [method]);
  expect([answers.length, rest]).toEqual([1, '']);
  expect(scene.origin.requests.length).toBe(asked + 1);
  const next = await sendRaw(scene.address(), 'GET /api/next HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
  expect(next.text).toMatch(/fine$/);
  expect(scene.origin.requests.at(-1)?.connectionId).not.toBe(scene.origin.requests.at(-2)?.connectionId);
  return answers[0] as (typeof answers)[number];
}

const answer = (lines: string, body: string) => `HTTP/1.1 200 OK\r\n${lines}\r\n\r\n${body}`;

describe('an answer is refused', () => {
  test.each([
    ['both lengths', answer('Content-Length: 5\r\nTransfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n')],
    ['two lengths', answer('Content-Length: 5\r\nContent-Length: 6', 'hello!')],
    ['two equal lengths', answer('Content-Length: 5\r\nContent-Length: 5', 'hello')],
    ['a list of lengths', answer('Content-Length: 5, 5', 'hello')],
    ['a signed length', answer('Content-Length: +5', 'hello')],
    ['a space before the colon', answer('Content-Length : 5', 'hello')],
    ['a fold', answer('X: y\r\n z', '')],
    ['LF alone', 'HTTP/1.1 200 OK\nContent-Length: 2\n\nok'],
    ['LF alone in one line', answer('X: y\nContent-Length: 2', 'ok')],
    ['NUL in a value', answer('X: a\0b\r\nContent-Length: 2', 'ok')],
    ['a control character in a value', answer('X: a\x1bb\r\nContent-Length: 2', 'ok')],
    ['another coding', answer('Transfer-Encoding: gzip', 'ok')],
    ['a list of codings', answer('Transfer-Encoding: gzip, chunked', '2\r\nok\r\n0\r\n\r\n')],
    ['a coding in HTTP/1.0', 'HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n'],
    ['a head of 70 KiB', answer(`X: ${'x'.repeat(70 * 1024)}`, '')],
  ])('H10 for %s: 502', async (_what, bytes) => {
    expect(await ask(bytes)).toMatchObject({ status: 502, complete: true });
  });

  test.each([
    ['1000', 'HTTP/1.1 1000 Odd\r\nContent-Length: 2\r\n\r\nok'],
    ['888', 'HTTP/1.1 888 Odd\r\nContent-Length: 2\r\n\r\nok'],
    ['two digits', 'HTTP/1.1 20 Odd\r\nContent-Length: 2\r\n\r\nok'],
    ['HTTP/2.0', 'HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok'],
    ['HTTP/0.9', 'just text, without a head'],
    ['a control character in the reason', 'HTTP/1.1 200 a\x07b\r\nContent-Length: 2\r\n\r\nok'],
  ])('U03 for its status line, %s: 502', async (_what, bytes) => {
    expect((await ask(bytes)).status).toBe(502);
  });

  test.each([
    ['a sign', '+5\r\nhello\r\n0\r\n\r\n'],
    ['LF alone', '5\nhello\n0\n\n'],
    ['more than its size', '5\r\nhello!\r\n0\r\n\r\n'],
    ['a length in the trailers', '5\r\nhello\r\n0\r\nContent-Length: 3\r\n\r\n'],
  ])('H10 whose chunk has %s is cut short: it never looks whole', async (_what, chunks) => {
    expect(await ask(answer('Transfer-Encoding: chunked', chunks))).toMatchObject({ status: 200, complete: false });
  });
});

describe('an answer is passed on', () => {
  test.each([
    ['without a reason', 'HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok'],
    ['without a reason or a space', 'HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok'],
    ['with a reason beyond ASCII', 'HTTP/1.1 200 \xe4\xff\r\nContent-Length: 2\r\n\r\nok'],
    ['of HTTP/1.0', 'HTTP/1.0 200 OK\r\n\r\nok'],
  ])('U03 %s', async (_what, bytes) => {
    expect(await ask(bytes)).toMatchObject({ status: 200, body: 'ok', complete: true });
  });

  test.each([
    ['HEAD with length and body', 'HEAD', answer('Content-Length: 7', PLANTED), 200],
    ['HEAD with chunks', 'HEAD', answer('Transfer-Encoding: chunked', '5\r\nhello\r\n0\r\n\r\n'), 200],
    ['204 with a body', 'GET', `HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n${PLANTED}`, 204],
    ['304 with a length', 'GET', `HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n${PLANTED}`, 304],
    ['205', 'GET', 'HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n', 205],
    ['200 of no length at all, with more behind', 'GET', answer('Content-Length: 0', PLANTED), 200],
    ['200 with a whole answer behind', 'GET', answer('Content-Length: 2', `ok${PLANTED}`), 200],
    ['chunks with a whole answer behind', 'GET', answer('Transfer-Encoding: chunked', `2\r\nok\r\n0\r\n\r\n${PLANTED}`), 200],
  ])('H11 %s: legal for the caller, and what was planted behind it is shown to nobody', async (_what, method, bytes, status) => {
    const got = await ask(bytes, method);
    expect(got).toMatchObject({ status, complete: true });
    expect(got.body).not.toContain('planted');
    if (status === 204) expect(got.fields).not.toMatch(/content-length/i);
  });
});

describe('an answer that comes before the request is whole', () => {
  test.each([
    ['and closes', true],
    ['and goes on listening', false],
  ])('U11 %s: the caller gets it whole, the upload stops there, and the next request is told from its rest', async (_what, closes) => {
    const body = 'x'.repeat(100_000);
    const origin = await startScriptedServer({
      answer: ({ target }) => answerWith(200, [], target),
      onHead: (head, connection) => {
        if (!head.startsWith('PUT')) return undefined;
        const bytes = answerWith(413, [], body);
        if (!closes) return bytes;
        connection.socket.end(bytes);
        return undefined;
      },
    });
    const early = await startScene({ route: { upstream: origin.url } });
    const connection = await openRaw(early.address());
    connection.write('PUT /api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n');
    connection.write(Buffer.alloc(1_000_000));
    const text = await connection.waitFor((soFar) => soFar.endsWith(body));
    expect(text).toMatch(/^HTTP\/1\.1 413 /);
    expect(text.endsWith(body)).toBe(true);
    await origin.until((server) => server.openConnections() === 0);
    connection.write(Buffer.alloc(2_000_000));
    connection.write('GET /api/next HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    await connection.closed;
    expect(connection.text().slice(text.length)).toMatch(/^HTTP\/1\.1 200 [\s\S]*\/next$/);
    expect(origin.requests.map(({ target }) => target)).toEqual(['/next']);
    await early.close();
    await origin.close();
  });
});
