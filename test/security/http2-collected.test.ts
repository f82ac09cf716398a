/**
 * Node aborts the process when it collects a connection of HTTP/2 before a stream of it that was ended in the middle of its fields: fields that
 * are malformed, behind a GOAWAY, were enough, where a collection came in the same turn. Here one does, from either side.
 */

import { connect, type Socket } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { data, FrameCaller, Http2Caller, plain, request } from '../helpers/http2-client.ts';
import { FRAME, frame, head200, literalFields, startFrameServer } from '../helpers/http2-frames.ts';
import { startHttp2Origin } from '../helpers/http2-origin.ts';

/** In the broker's process. */
const COLLECTS = `data:text/javascript,${encodeURIComponent(`
  import { serveCollecting } from ${JSON.stringify(new URL('../helpers/garbage.ts', import.meta.url))};
  const { port } = (await serveCollecting()).unref().address();
  process.stdout.write(JSON.stringify({ msg: 'collects', port }) + '\\n');`)}`;
const GOAWAY = frame(FRAME.goaway, 0, 0, Buffer.alloc(8));
const BAD = ['x-long', 'x'.repeat(100), 'X-Upper', 'x'];
const END_BOTH = 5;
const ROUNDS = 20;

const closers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function startCollecting(upstream: string): Promise<{ broker: BrokerProcess; collector: Socket }> {
  const broker = await startBrokerProcess({
    nodeArgs: ['--import', COLLECTS],
    config: {
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['h2c'] } },
      routes: { api: { path: '/api', callers: ['anonymous'], token: null, upstream, upstreamProtocol: 'h2c' } },
    },
  });
  closers.push(() => broker.close());
  const { port } = await broker.logged('collects');
  const collector = connect(Number(port), '127.0.0.1').setNoDelay();
  closers.push(async () => void collector.destroy());
  await new Promise((resolve) => collector.once('connect', resolve));
  return { broker, collector };
}

const trailers = (fields: readonly string[]) => frame(FRAME.headers, END_BOTH, 1, literalFields(fields));

test.each([
  ['a head', [], [request(1, [...plain(), ...BAD])]],
  ['trailers', [request(1, plain('/api/x', 'POST'), { ended: false }), data(1, 'x')], [trailers(BAD)]],
])('%s of a caller that are malformed, behind its GOAWAY: a collection in that turn ends nothing', async (_what, first, then) => {
  const origin = await startHttp2Origin((stream) => {
    stream.respond({ ':status': 200 });
    stream.end('ok');
  });
  closers.push(() => origin.close());
  const { broker, collector } = await startCollecting(origin.url);
  for (let round = 0; round < ROUNDS; round += 1) {
    const caller = await FrameCaller.open(broker.address());
    await caller.settle();
    caller.write(...first, frame(FRAME.ping, 0, 0, Buffer.alloc(8)));
    await caller.waitFor(({ type }) => type === FRAME.ping);
    caller.write(GOAWAY, ...then);
    collector.write('x');
    await caller.raw.closed;
  }
  const good = new Http2Caller(broker.url());
  closers.push(async () => good.close());
  expect((await good.ask({ path: '/api/x' })).status).toBe(200);
});

test.each([
  ['a head', [502, 0], (stream: number) => [GOAWAY, head200(stream, BAD)]],
  ['trailers', [200, 2], (stream: number) => [head200(stream), GOAWAY, trailers(BAD)]],
])('%s of an upstream that are malformed, behind its GOAWAY: a collection in that turn ends nothing', async (_what, failure, answer) => {
  let collector: Socket | undefined;
  const upstream = await startFrameServer((stream) => {
    setImmediate(() => collector?.write('x'));
    return answer(stream);
  });
  closers.push(() => upstream.close());
  const started = await startCollecting(upstream.url);
  collector = started.collector;
  const caller = new Http2Caller(started.broker.url());
  closers.push(async () => caller.close());
  for (let round = 0; round < ROUNDS; round += 1) {
    const { status, reset } = await caller.ask({ path: '/api/x' });
    expect([status, reset]).toEqual(failure);
  }
});
