/** What an answer looks like on the wire, and whether its connection goes on. */

import { afterEach, describe, expect, test } from '@jest/globals';
import type { CallerRequest, Reply } from '../../src/message.ts';
import { answerOk, startListener, type TestListener } from '../helpers/listener.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';

let server: TestListener;
afterEach(() => server.close());

const RESUME = () => {};

/** Answers `/last` with `ok`, and everything else as the test says. */
async function start(answer: (reply: Reply, request: CallerRequest) => void): Promise<void> {
  server = await startListener((request, reply) => (request.target === '/last' ? answerOk(reply) : answer(reply, request)));
}

function head(path: string, { method = 'GET', version = '1.1', fields = [] as readonly string[] } = {}): string {
  return [`${method} ${path} HTTP/${version}`, 'Host: localhost', ...fields, '', ''].join('\r\n');
}

const LAST = head('/last', { fields: ['Connection: close'] });

/** What comes back for two requests on one connection, and how it ended; without the value of `date`. */
async function sendTwo(first: string): Promise<{ text: string; closed: string }> {
  const { text, closed } = await sendRaw(server.address, first + LAST);
  return { text: text.replaceAll(/date: [^\r]+/gi, 'date: now'), closed };
}

const LAST_ANSWER = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: now\r\nconnection: close\r\n\r\nok';

describe('the head of an answer', () => {
  test.each([
    ['has a date, and the usual words for its status', 404, '', [], 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\ndate: now\r\n\r\n'],
    ['has no words for a status that nobody knows', 299, '', [], 'HTTP/1.1 299 \r\ncontent-length: 0\r\ndate: now\r\n\r\n'],
    ['has the words that it was given', 200, 'Fine', [], 'HTTP/1.1 200 Fine\r\ncontent-length: 0\r\ndate: now\r\n\r\n'],
    ['has one date', 200, '', ['Date', 'then'], 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nDate: then\r\n\r\n'],
    ['has a date beside an ETag', 200, '', ['ETag', '1'], 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\nETag: 1\r\ndate: now\r\n\r\n'],
  ])('%s', async (_what, status, reason, fields, expected) => {
    await start((reply) => reply.start(status, reason, ['content-length', '0', ...fields], RESUME).end([]));
    const { text } = await sendRaw(server.address, head('/first') + LAST);
    expect(text.replaceAll(/date: [A-Z][^\r]+/g, 'date: now')).toBe(expected + LAST_ANSWER);
  });

  test.each(['1.0', '1.1'])('that closes the connection says so once to a caller of HTTP/%s, who would keep it', async (version) => {
    await start((reply) => reply.start(200, '', ['content-length', '0', 'connection', 'close'], RESUME).end([]));
    const { text, closed } = await sendTwo(head('/first', { version, fields: ['Connection: keep-alive'] }));
    expect([text, closed]).toEqual(['HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\ndate: now\r\n\r\n', 'fin']);
  });

  test('of HTTP/1.1 keeps the connection, whatever else the caller says of it', async () => {
    await start((reply) => answerOk(reply));
    const first = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: now\r\n\r\nok';
    expect((await sendTwo(head('/first', { fields: ['Connection: x-kept'] }))).text).toBe(first + LAST_ANSWER);
  });

  test('without a length is of a body in chunks', async () => {
    await start((reply) => {
      const sink = reply.start(200, '', ['content-MD5xxx', '9'], RESUME);
      sink.chunk(Buffer.from('abc'));
      sink.end([]);
    });
    const first = 'HTTP/1.1 200 OK\r\ncontent-MD5xxx: 9\r\ndate: now\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n';
    expect((await sendTwo(head('/first'))).text).toBe(first + LAST_ANSWER);
  });

  test('stands behind interim answers, of which none comes later', async () => {
    await start((reply) => {
      reply.interim(103, ['Link', '</a>']);
      reply.interim(104, []);
      const sink = reply.start(200, '', ['content-length', '0'], RESUME);
      reply.interim(103, ['Link', '</late>']);
      sink.end([]);
      reply.interim(299, []);
    });
    const expecting = head('/first', { method: 'PUT', fields: ['Expect: 100-continue', 'Content-Length: 2'] });
    expect((await sendTwo(`${expecting}ok`)).text).toBe(
      `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 104 \r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\ndate: now\r\n\r\n${LAST_ANSWER}`,
    );
  });
});

describe('a caller of HTTP/1.0', () => {
  const OLD = head('/first', { version: '1.0', fields: ['Connection: Keep-Alive'] });

  test('that keeps its connection is told so where the answer has a length, and asks again', async () => {
    await start((reply) => answerOk(reply, Buffer.from('first')));
    const first = 'HTTP/1.1 200 OK\r\ncontent-length: 5\r\ndate: now\r\nconnection: keep-alive\r\n\r\nfirst';
    expect((await sendTwo(OLD)).text).toBe(first + LAST_ANSWER);
  });

  test('knows no chunks: the end of the connection ends an answer without a length, and nothing follows it', async () => {
    await start((reply) => {
      const sink = reply.start(200, '', [], RESUME);
      sink.chunk(Buffer.from('first'));
      sink.end([]);
    });
    expect(await sendTwo(OLD)).toEqual({ text: 'HTTP/1.1 200 OK\r\ndate: now\r\nconnection: close\r\n\r\nfirst', closed: 'fin' });
  });

  test.each([
    ['that says nothing of it', []],
    ['that says two things', ['Connection: keep-alive, close']],
    ['that says another thing', ['Connection: x-kept']],
  ])('%s asks once', async (_what, fields) => {
    await start((reply) => answerOk(reply, Buffer.from('first')));
    const { text } = await sendTwo(head('/first', { version: '1.0', fields }));
    expect(text).toBe('HTTP/1.1 200 OK\r\ncontent-length: 5\r\ndate: now\r\nconnection: close\r\n\r\nfirst');
  });
});

describe('a body', () => {
  test('of an answer to HEAD is not sent, and the connection goes on', async () => {
    await start((reply) => answerOk(reply));
    const first = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\ndate: now\r\n\r\n';
    expect((await sendTwo(head('/first', { method: 'HEAD' }))).text).toBe(first + LAST_ANSWER);
  });

  test.each([
    ['longer', ['ab', 'cd', 'e'], 'ab'],
    ['shorter', ['ab'], 'ab'],
  ])('U02 that turns out to be %s than announced ends in a reset, and nothing else is sent', async (_what, chunks, sent) => {
    await start((reply) => {
      const sink = reply.start(200, '', ['content-length', '3'], RESUME);
      for (const chunk of chunks) sink.chunk(Buffer.from(chunk));
      sink.end([]);
    });
    const connection = await openRaw(server.address);
    connection.write(head('/first') + LAST);
    expect(await connection.closed).toBe('reset');
    expect(`HTTP/1.1 200 OK\r\ncontent-length: 3\r\ndate: now\r\n\r\n${sent}`).toContain(
      connection.text().replace(/date: [^\r]+/, 'date: now'),
    );
  });

  test('U02 in chunks that breaks off ends without its last chunk, and all of it arrives', async () => {
    await start((reply) => {
      const sink = reply.start(200, '', [], RESUME);
      sink.chunk(Buffer.from('abc'));
      sink.fail(new Error('broken'));
      sink.chunk(Buffer.from('late'));
      sink.end([]);
    });
    const { text, closed } = await sendTwo(head('/first'));
    expect([text, closed]).toEqual(['HTTP/1.1 200 OK\r\ndate: now\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n', 'fin']);
  });

  test('U02 that was complete cannot break off any more', async () => {
    await start((reply) => {
      const sink = reply.start(200, '', ['content-length', '1'], RESUME);
      sink.chunk(Buffer.from('a'));
      sink.end([]);
      sink.fail(new Error('too late'));
    });
    expect((await sendTwo(head('/first'))).text).toBe(`HTTP/1.1 200 OK\r\ncontent-length: 1\r\ndate: now\r\n\r\na${LAST_ANSWER}`);
  });
});
