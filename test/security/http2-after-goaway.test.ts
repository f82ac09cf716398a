/** Behind a GOAWAY Node says nothing of errors of a connection of HTTP/2, nor that the other side has gone: what ran on it would wait for its timeouts. */

import { afterEach, expect, test } from '@jest/globals';
import { startScene } from '../helpers/broker.ts';
import { data, FrameCaller, Http2Caller, plain, request } from '../helpers/http2-client.ts';
import { FRAME, frame, head200, startFrameServer } from '../helpers/http2-frames.ts';

const GOAWAY = frame(FRAME.goaway, 0, 0, Buffer.alloc(8));
const FROM_SERVER = frame(FRAME.goaway, 0, 0, Buffer.from([0x7f, 0xff, 0xff, 0xff, 0, 0, 0, 0]));
const LISTENERS = { local: { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['h2c'] } };

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

test.each([
  ['data before the head', 502, (stream: number) => [FROM_SERVER, data(stream, 'x'), head200(stream)]],
  ['data of no stream', 200, (stream: number) => [head200(stream), FROM_SERVER, data(0, 'x')]],
])('an upstream that breaks the protocol behind its GOAWAY, by %s: the answer is broken off at once', async (_what, status, answer) => {
  const upstream = await startFrameServer(answer);
  closers.push(() => upstream.close());
  const scene = await startScene({ config: { listeners: LISTENERS }, route: { upstream: upstream.url, upstreamProtocol: 'h2c' } });
  closers.push(() => scene.close());
  const caller = new Http2Caller(scene.url());
  closers.push(async () => caller.close());
  const got = await caller.ask({ method: 'POST', body: 'x' });
  expect([got.status, got.body.toString().includes('UPSTREAM_') || !got.whole]).toEqual([status, true]);
});

test.each([
  ['GOAWAY', [GOAWAY]],
  ['GOAWAY and data of no stream', [GOAWAY, data(0, 'x')]],
  ['GOAWAY and data of a stream that is not open', [GOAWAY, data(7, 'x')]],
])('a caller that leaves behind %s has given up its request', async (_what, frames) => {
  const scene = await startScene({ config: { listeners: LISTENERS }, origin: () => undefined });
  closers.push(() => scene.close());
  const caller = await FrameCaller.open(scene.address());
  await caller.settle();
  caller.write(request(1, plain()));
  await scene.origin.untilRequests(1);
  caller.write(...frames);
  caller.raw.end();
  expect(await scene.origin.connections[0]?.closed).toBeDefined();
});

test('a caller that has said GOAWAY still gets what it asked for before', async () => {
  let answer: (bytes: string) => void = () => {};
  const scene = await startScene({
    config: { listeners: LISTENERS },
    origin: () =>
      new Promise((resolve) => {
        answer = resolve;
      }),
  });
  closers.push(() => scene.close());
  const caller = await FrameCaller.open(scene.address());
  await caller.settle();
  caller.write(request(1, plain()));
  await scene.origin.untilRequests(1);
  caller.write(GOAWAY, frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
  await caller.waitFor(({ type }) => type === FRAME.ping);
  answer('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
  const got = await caller.waitFor(({ type, stream, flags }) => type === FRAME.data && stream === 1 && (flags & 1) === 1);
  expect(got.payload.toString()).toBe('ok');
  await caller.raw.closed;
});
