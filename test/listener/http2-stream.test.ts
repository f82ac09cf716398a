/** One stream of a caller of HTTP/2: what its answer must keep to, and whose time runs. */

import { constants } from 'node:http2';
import { afterEach, expect, test } from '@jest/globals';
import type { CallerRequest, Reply } from '../../src/message.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { FrameCaller, Http2Caller, plain, request } from '../helpers/http2-client.ts';
import { FRAME } from '../helpers/http2-frames.ts';
import { answerOk, startListener, type TestListener } from '../helpers/listener.ts';

let server: TestListener;
afterEach(() => server.close());
const closed = closedAfterEach();

async function start(handle: (request: CallerRequest, reply: Reply) => void, limits: Record<string, unknown> = {}): Promise<string> {
  server = await startListener(handle, limits, ['h2c']);
  return server.address;
}

const callerOf = async (address: string) => closed(new Http2Caller(`http://${address}`));

test.each([
  ['as long as it says', 'Content-Length', 3, { status: 200, reset: constants.NGHTTP2_NO_ERROR, text: 'abc' }],
  ['shorter than it says', 'Content-Length', 4, { status: 200, reset: constants.NGHTTP2_INTERNAL_ERROR }],
  ['longer than it says', 'content-length', 2, { status: 200, reset: constants.NGHTTP2_INTERNAL_ERROR }],
])('an answer that is %s', async (_what, name, length, expected) => {
  const address = await start((_request, reply) => {
    const sink = reply.start(200, '', ['x-length', '9', name, String(length)], () => {});
    sink.chunk(Buffer.from('ab'));
    sink.chunk(Buffer.from('c'));
    sink.end([]);
  });
  const answer = await (await callerOf(address)).ask();
  expect({ ...answer, text: String(answer.body) }).toMatchObject(expected);
});

test('S04 a body that was paused and goes on is awaited again: who sends no more of it is given up', async () => {
  const failed = Promise.withResolvers<Error>();
  const chunks: string[] = [];
  const address = await start(
    ({ body }, reply) => {
      body?.pipe({
        chunk(bytes) {
          chunks.push(String(bytes));
          body.pause();
          setImmediate(() => body.resume());
        },
        end: () => answerOk(reply),
        fail: failed.resolve,
      });
    },
    { idleTimeout: '300ms' },
  );
  const stream = (await callerOf(address)).begin({ method: 'POST' }, true);
  stream.write('one');
  expect(await failed.promise).toMatchObject({ code: 'REQUEST_TIMEOUT' });
  expect(chunks).toEqual(['one']);
});

test('L01 what comes while the listener is about to drain is answered, all of it, and then the caller is told what was', async () => {
  const address = await start((_request, reply) => answerOk(reply));
  const caller = await FrameCaller.open(address);
  await caller.settle();
  const answered = (id: number) => caller.waitFor(({ type, stream, flags }) => type === FRAME.data && stream === id && flags === 1);
  caller.write(request(1, plain()));
  await answered(1);
  server.listener.announceClose();
  for (const id of [3, 5]) {
    caller.write(request(id, plain()));
    await answered(id);
  }
  expect(caller.frames.some(({ type }) => type === FRAME.goaway)).toBe(false);
  const drained = server.listener.drain(60_000);
  const goaway = await caller.waitFor(({ type }) => type === FRAME.goaway);
  expect(goaway.payload.readUInt32BE(0)).toBe(5);
  expect(await drained).toBe(0);
});
