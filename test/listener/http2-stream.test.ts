/** One stream of a caller of HTTP/2: what its answer must keep to, and whose time runs. */

import { constants } from 'node:http2';
import { afterEach, expect, test } from '@jest/globals';
import type { CallerRequest, Reply } from '../../src/message.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { answerOf, codeOf, type Frame, FrameCaller, Http2Caller, plain, request } from '../helpers/http2-client.ts';
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
  ['as long as it says', 'Content-Length', 3, 'abc', 'end'],
  ['shorter than it says', 'Content-Length', 4, 'abc', constants.NGHTTP2_INTERNAL_ERROR],
  ['longer than it says', 'content-length', 2, 'ab', constants.NGHTTP2_INTERNAL_ERROR],
])('an answer that is %s: %s', async (_what, name, length, text, ends) => {
  const address = await start((_request, reply) => {
    const sink = reply.start(200, '', ['x-length', '9', name, String(length)], () => {});
    sink.chunk(Buffer.from('ab'));
    sink.chunk(Buffer.from('c'));
    sink.end([]);
  });
  const caller = await FrameCaller.open(address);
  await caller.settle();
  caller.write(request(1, plain()));
  const isData = ({ type, stream }: Frame) => type === FRAME.data && stream === 1;
  const last = await caller.waitFor((each) => each.type === FRAME.reset || (isData(each) && each.flags === 1));
  const sent = caller.frames.filter(isData).map(({ payload }) => String(payload));
  expect([sent.join(''), last.type === FRAME.reset ? codeOf(last) : 'end']).toEqual([text, ends]);
});

test('interim answers come before the answer, and none comes behind its beginning', async () => {
  const address = await start((_request, reply) => {
    reply.interim(103, ['Link', '</a>', 'Content-Length', '9']);
    const sink = reply.start(200, '', [], () => {});
    sink.chunk(Buffer.from('a'));
    setImmediate(() => {
      reply.interim(103, ['Link', '</b>']);
      sink.end([]);
    });
  });
  const { interims, status, reset, body } = await (await callerOf(address)).ask();
  expect([interims, status, reset, String(body)]).toEqual([[103], 200, constants.NGHTTP2_NO_ERROR, 'a']);
});

test.each([
  [1, ['expect', '100-continue']],
  [0, []],
])('S09 100 Continue is said %i times to who sends %j, whatever the upstream says of it', async (times, fields) => {
  const address = await start(({ body }, reply) => {
    body?.pipe({ chunk: () => {}, end: () => answerOk(reply), fail: () => {} });
    if (times > 0) reply.interim(100, []);
  });
  let said = 0;
  const stream = (await callerOf(address)).begin({ method: 'POST', fields }, true).on('continue', () => (said += 1));
  stream.end('body');
  await answerOf(stream);
  expect(said).toBe(times);
});

test('a request that says that it has no body, and has none, is one', async () => {
  const address = await start(({ body }, reply) => answerOk(reply, Buffer.from(String(body))));
  const answer = await (await callerOf(address)).ask({ method: 'POST', fields: ['content-length', '0'] });
  expect([answer.status, String(answer.body)]).toEqual([200, 'undefined']);
});

test('S04 a request that is being answered may take longer than a connection is kept without one', async () => {
  const replies: Reply[] = [];
  const address = await start((_request, reply) => replies.push(reply), { idleTimeout: '200ms', headTimeout: '200ms' });
  const [caller, idle] = [await callerOf(address), await callerOf(address)];
  const used = caller.ask();
  while (replies.length < 1) await new Promise(setImmediate);
  answerOk(replies[0] as Reply);
  await used;
  const slow = caller.ask();
  while (replies.length < 2) await new Promise(setImmediate);
  const idling = idle.ask();
  while (replies.length < 3) await new Promise(setImmediate);
  answerOk(replies[2] as Reply);
  await idling;
  // Its time began later.
  await idle.closed;
  expect(caller.goaway).toBeUndefined();
  answerOk(replies[1] as Reply);
  expect((await slow).status).toBe(200);
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
