/**
 * The attack: a caller sends behind its body what the broker says in the head, the token's own field or a fixed one of the route. Servers that
 * merge the two would read what the caller wrote (RFC 9110 §6.5.1).
 */

import { expect, test } from '@jest/globals';
import { startScene } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { type Http2Origin, routeTo, startHttp2Origin } from '../helpers/http2-origin.ts';
import { sendRaw } from '../helpers/raw-client.ts';

const closed = closedAfterEach();

const REQUEST = [
  'POST /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n',
  'X-Token: mine\r\nx_token: mine\r\nX-Subscription: mine\r\nX.Subscription_: mine\r\nX-Sum: 1\r\n\r\n',
].join('');
const route = { inject: { header: 'X-Token', scheme: '' }, headers: { 'X-Subscription': { unsafeInline: 'subscription-key' } } };

test("N03 trailers of a caller say nothing that is the broker's to say, over HTTP/1.1", async () => {
  const scene = closed(await startScene({ route }));
  expect((await sendRaw(scene.address(), REQUEST)).text).toMatch(/^HTTP\/1\.1 200 /);
  const [received] = scene.origin.requests;
  expect([received?.field('x-token'), received?.field('x-subscription')]).toEqual([['scripted-access-token'], ['subscription-key']]);
  expect(received?.trailers).toBe('X-Sum: 1\r\n');
});

test("N03 trailers of a caller say nothing that is the broker's to say, over HTTP/2", async () => {
  const { promise, resolve } = Promise.withResolvers<string[]>();
  const origin: Http2Origin = await startHttp2Origin((stream) => {
    stream.on('trailers', (_trailers, _flags, raw: string[]) => resolve(raw));
    stream.resume().on('end', () => {
      stream.respond();
      stream.end('ok');
    });
  });
  closed(origin);
  const scene = closed(await startScene({ files: origin.files, route: { ...route, ...routeTo(origin) } }));
  expect((await sendRaw(scene.address(), REQUEST)).text).toMatch(/^HTTP\/1\.1 200 /);
  expect(await promise).toEqual(['x-sum', '1']);
});
