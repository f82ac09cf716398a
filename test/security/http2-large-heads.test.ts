/**
 * The attack: a head that may be as long as it is, in so many fields that nghttp2 would not write it, or Node not read it. The first ends the stream,
 * and the whole connection with it: what one caller asks for, or one upstream answers, would cost all who share the connection their requests.
 */

import { expect, test } from '@jest/globals';
import { type SceneOptions, startScene } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { Http2Caller } from '../helpers/http2-client.ts';
import { routeTo, startHttp2Origin } from '../helpers/http2-origin.ts';
import { answerWith } from '../helpers/scripted-answers.ts';

const closed = closedAfterEach();

const LIMITS = { maxHeader: '512KiB', maxFields: 10_000 };
const PATIENT = { maxHeaderListPairs: 20_000, maxSendHeaderBlockLength: 1024 ** 2, settings: { maxHeaderListSize: 1024 ** 2 } };
const many = (count: number) => Array.from({ length: count }, (_, i) => [`x-${i % 10}`, 'y']).flat();

async function start(options: SceneOptions): Promise<Http2Caller> {
  const local = { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['h2c'], limits: LIMITS };
  const scene = closed(await startScene({ ...options, config: { listeners: { local } } }));
  const caller = closed(new Http2Caller(scene.url(), PATIENT));
  return caller;
}

test('S05 an answer of 7,000 fields reaches its caller, and the connection goes on', async () => {
  const caller = await start({
    origin: ({ target }) => answerWith(200, target === '/many' ? Array.from({ length: 7_000 }, () => 'X-A: y') : [], 'ok'),
  });
  const long = await caller.ask({ path: '/api/many' });
  expect([long.status, long.fields.filter((text) => text === 'x-a').length, long.reset]).toEqual([200, 7_000, 0]);
  expect((await caller.ask()).status).toBe(200);
});

test('S05 an answer of 1,000 fields from an upstream of HTTP/2 reaches its caller', async () => {
  const origin = await startHttp2Origin((stream) => {
    stream.respond([':status', '200', ...many(1_000)] as never);
    stream.end('ok');
  });
  closed(origin);
  const caller = await start({ files: origin.files, route: routeTo(origin) });
  const long = await caller.ask();
  expect([long.status, long.fields.filter((text) => /^x-\d$/.test(text)).length, long.reset]).toEqual([200, 1_000, 0]);
});

test('S05 a request of 9,000 fields reaches its upstream, and the connection goes on', async () => {
  const origin = await startHttp2Origin((stream) => {
    stream.respond();
    stream.end('ok');
  }, PATIENT);
  closed(origin);
  const caller = await start({ files: origin.files, route: routeTo(origin) });
  expect(await caller.ask({ fields: many(9_000) })).toMatchObject({ status: 200, reset: 0 });
  expect(origin.heads[0]?.filter((text) => text.startsWith('x-') && text.length === 3)).toHaveLength(9_000);
  expect((await caller.ask()).status).toBe(200);
  expect(origin.sessions).toHaveLength(1);
});
