/** gRPC through the broker, framed by hand (gRPC over HTTP/2): every kind of call, its messages as they come, its status in the trailers. */

import type { ClientHttp2Stream, ServerHttp2Stream } from 'node:http2';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { answerOf, type Http2Answer, Http2Caller } from '../helpers/http2-client.ts';
import { type Handle, type Http2Origin, routeTo, startHttp2Origin } from '../helpers/http2-origin.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** One byte for compression, four for the length. */
function message(text: string): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(text.length, 1);
  return Buffer.concat([head, Buffer.from(text)]);
}

function messagesIn(bytes: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at + 5 <= bytes.length; ) {
    const end = at + 5 + bytes.readUInt32BE(at + 1);
    if (end > bytes.length) break;
    texts.push(bytes.subarray(at + 5, end).toString());
    at = end;
  }
  return texts;
}

/** Calls back with each message once it is whole. */
function onMessage(stream: ClientHttp2Stream | ServerHttp2Stream, hear: (text: string) => void): void {
  let pending = Buffer.alloc(0);
  stream.on('data', (bytes: Buffer) => {
    pending = Buffer.concat([pending, bytes]);
    const texts = messagesIn(pending);
    for (const text of texts) {
      pending = pending.subarray(5 + Buffer.byteLength(text));
      hear(text);
    }
  });
}

function respond(stream: ServerHttp2Stream, trailers: Record<string, string> = { 'grpc-status': '0', 'grpc-message': 'fine' }): void {
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers(trailers));
}

const services: Record<string, Handle> = {
  '/echo.Echo/Unary': (stream) => {
    respond(stream);
    onMessage(stream, (text) => void stream.end(message(`heard ${text}`)));
  },
  '/echo.Echo/Join': (stream) => {
    const heard: string[] = [];
    respond(stream);
    onMessage(stream, (text) => void heard.push(text));
    stream.on('end', () => stream.end(message(heard.join('+'))));
  },
  '/echo.Echo/Count': (stream) => {
    respond(stream);
    onMessage(stream, (text) => {
      for (let i = 1; i <= Number(text); i += 1) stream.write(message(String(i)));
      stream.end();
    });
  },
  '/echo.Echo/Chat': (stream) => {
    respond(stream);
    onMessage(stream, (text) => void stream.write(message(`heard ${text}`)));
    stream.on('end', () => stream.end());
  },
  '/echo.Echo/Fail': (stream) => {
    stream.respond(
      { ':status': 200, 'content-type': 'application/grpc', 'grpc-status': '5', 'grpc-message': 'not found' },
      { endStream: true },
    );
  },
  '/echo.Echo/FailLate': (stream) => {
    respond(stream, { 'grpc-status': '13', 'grpc-message': 'broken' });
    stream.write(message('first'));
    stream.resume().on('end', () => stream.end());
  },
};

async function start(secure: boolean): Promise<{ scene: Scene; origin: Http2Origin; caller: Http2Caller }> {
  const origin = await startHttp2Origin((stream, head, raw) => services[head[':path'] ?? '']?.(stream, head, raw), { secure });
  const local = { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['h2c'] };
  const scene = await startScene({
    files: origin.files,
    config: { listeners: { local } },
    route: { path: '/echo.Echo', ...routeTo({ url: origin.url }), upstream: `${origin.url}/echo.Echo` },
  });
  const caller = new Http2Caller(scene.url());
  closing.push(
    () => origin.close(),
    () => scene.close(),
    () => caller.close(),
  );
  return { scene, origin, caller };
}

const FIELDS = ['content-type', 'application/grpc', 'te', 'trailers', 'grpc-timeout', '10S'];
const begin = (caller: Http2Caller, name: string) => caller.begin({ method: 'POST', path: `/echo.Echo/${name}`, fields: FIELDS }, true);

function expectDone(answer: Http2Answer, texts: readonly string[]): void {
  expect([answer.status, answer.field('content-type'), messagesIn(answer.body), answer.reset]).toEqual([200, 'application/grpc', texts, 0]);
  expect(answer.trailers).toEqual(['grpc-status', '0', 'grpc-message', 'fine']);
}

describe.each([
  ['h2c', false],
  ['TLS', true],
])('gRPC to an upstream over %s', (_over, secure) => {
  test('a unary call: one message each way, the token, and what gRPC insists on', async () => {
    const { origin, caller } = await start(secure);
    const stream = begin(caller, 'Unary');
    const answered = answerOf(stream);
    stream.end(message('hello'));
    expectDone(await answered, ['heard hello']);
    const head = origin.heads[0] as string[];
    const pairs = head.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${head[i + 1]}`] : []));
    expect(pairs).toEqual(
      expect.arrayContaining([
        ':method: POST',
        ':path: /echo.Echo/Unary',
        'te: trailers',
        'authorization: Bearer scripted-access-token',
        'grpc-timeout: 10S',
      ]),
    );
  });

  test('client streaming: many messages, one answer', async () => {
    const { caller } = await start(secure);
    const stream = begin(caller, 'Join');
    const answered = answerOf(stream);
    for (const text of ['a', 'b', 'c']) {
      stream.write(message(text));
      await new Promise((resolve) => setImmediate(resolve));
    }
    stream.end();
    expectDone(await answered, ['a+b+c']);
  });

  test('server streaming: one message, many answers', async () => {
    const { caller } = await start(secure);
    const stream = begin(caller, 'Count');
    const answered = answerOf(stream);
    stream.end(message('1000'));
    expectDone(
      await answered,
      Array.from({ length: 1_000 }, (_, i) => String(i + 1)),
    );
  });

  test('bidirectional: each message is heard before the next one is sent', async () => {
    const { caller } = await start(secure);
    const stream = begin(caller, 'Chat');
    const answered = answerOf(stream);
    const heard: string[] = [];
    onMessage(stream, (text) => {
      heard.push(text);
      if (heard.length < 50) stream.write(message(String(heard.length)));
      else stream.end();
    });
    stream.write(message('0'));
    expectDone(
      await answered,
      Array.from({ length: 50 }, (_, i) => `heard ${i}`),
    );
  });

  test('an error without an answer is a head that ends the stream, as clients insist on', async () => {
    const { caller } = await start(secure);
    const stream = begin(caller, 'Fail');
    const endedByHead = new Promise((resolve) => stream.once('response', (_head, flags) => resolve((flags & 1) === 1)));
    const answered = answerOf(stream);
    stream.end(message('x'));
    expect(await endedByHead).toBe(true);
    const answer = await answered;
    expect([answer.status, answer.field('grpc-status'), answer.field('grpc-message'), answer.trailers]).toEqual([
      200,
      '5',
      'not found',
      [],
    ]);
  });

  test('an error behind messages is in the trailers', async () => {
    const { caller } = await start(secure);
    const stream = begin(caller, 'FailLate');
    const answered = answerOf(stream);
    stream.end(message('x'));
    const answer = await answered;
    expect([messagesIn(answer.body), answer.trailers]).toEqual([['first'], ['grpc-status', '13', 'grpc-message', 'broken']]);
  });

  test('50 calls at once on one connection', async () => {
    const { origin, caller } = await start(secure);
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, i) => {
        const stream = begin(caller, 'Unary');
        const answered = answerOf(stream);
        stream.end(message(String(i)));
        return answered;
      }),
    );
    for (const [i, answer] of answers.entries()) expectDone(answer, [`heard ${i}`]);
    expect(origin.sessions).toHaveLength(1);
  });
});
