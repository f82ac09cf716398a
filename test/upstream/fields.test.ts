/** Which fields cross the broker: by name, whatever stands beside them. */

import { describe, expect, test } from '@jest/globals';
import type { Fields } from '../../src/message.ts';
import { createAnswerPassing, createPassing, ownFields, requestTrailers, trailerFields } from '../../src/upstream/fields.ts';

const HOP_BY_HOP = [
  'Keep-Alive',
  'Proxy-Connection',
  'Proxy-Authenticate',
  'Proxy-Authentication-Info',
  'Proxy-Authorization',
  'TE',
  'Trailer',
  'Transfer-Encoding',
  'Upgrade',
  'HTTP2-Settings',
];

const OURS = ['Host', 'Content-Length', 'Expect', 'Forwarded', 'Traceparent', 'X-Request-Id', 'X-Forwarded-For', 'X-Forwarded-Proto'];

const each = (names: readonly string[]): Fields => names.flatMap((name) => [name, '1']);

/** `Content.Length_` and the like, which lenient servers read as the name. */
const twin = (name: string) => `${name.replaceAll('-', '.')}_`;

describe('the fields of a request', () => {
  const passing = (dropAuthorization: boolean, replaced: readonly string[] = []) =>
    createPassing({ host: 'api.example', dropAuthorization, replaced });

  test.each([true, false])('N02 what is ours to set does not pass, however it is spelled (Authorization is dropped: %s)', (drops) => {
    const names = [...HOP_BY_HOP, ...OURS];
    expect(passing(drops)(each([...names, ...names.map(twin), 'Authorization_', 'Via_', 'X-Kept']))).toEqual([
      'host',
      'api.example',
      'X-Kept',
      '1',
    ]);
  });

  test('Via goes on, and Authorization where it is not dropped', () => {
    const sent = each(['Via', 'Authorization']);
    expect([passing(true)(sent), passing(false)(sent)]).toEqual([
      ['host', 'api.example', 'Via', '1'],
      ['host', 'api.example', ...sent],
    ]);
  });

  test('N01 only what Connection lists is dropped, not what other fields say', () => {
    const sent = ['Connection', 'X-A, x-b', 'connection', 'X-C', 'User-Agent', 'X-D', 'Z', 'X-D', ...each(['x-a', 'X-B', 'X-C', 'X-D'])];
    expect(passing(true)(sent)).toEqual(['host', 'api.example', 'User-Agent', 'X-D', 'Z', 'X-D', 'X-D', '1']);
  });

  test('a state of a trace that was begun here is dropped, and nothing behind it', () => {
    expect(passing(true)(each(['X-A', 'Tracestate', 'X-B']))).toEqual(['host', 'api.example', ...each(['X-A', 'X-B'])]);
    const traced = ['traceparent', '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'];
    expect(passing(true)([...traced, ...each(['Tracestate'])])).toEqual(['host', 'api.example', 'Tracestate', '1']);
  });

  test('N09 ours say by which version the request came, where a Via is wanted, and what protocol is asked for', () => {
    const facts = { requestId: 'id', traceparent: 'trace' };
    expect(ownFields({ ...facts, via: undefined, upgrade: undefined })).toEqual(['x-request-id', 'id', 'traceparent', 'trace']);
    expect(ownFields({ ...facts, via: '1.1', upgrade: 'websocket' })).toEqual([
      'x-request-id',
      'id',
      'traceparent',
      'trace',
      'via',
      '1.1 token-broker',
      'connection',
      'Upgrade',
      'upgrade',
      'websocket',
    ]);
  });
});

describe('the fields of an answer', () => {
  test('N02 what concerns one connection does not pass, nor what was for us alone', () => {
    const said = ['Connection', 'x-a', ...each([...HOP_BY_HOP, 'X-A', 'DPoP-Nonce', 'X-Kept'])];
    expect(createAnswerPassing(undefined, ['dpop-nonce', 'X-Key'])([...said, 'x-key', '1'])).toEqual(['X-Kept', '1']);
    expect(createAnswerPassing(undefined)(said)).toEqual(each(['DPoP-Nonce', 'X-Kept']));
  });

  test('only addresses of the answer itself are mapped', () => {
    const said = each(['Location', 'Content-Location', 'Refresh', 'X-Location']);
    const mapped = ['Location', '1!', 'Content-Location', '1!', ...each(['Refresh', 'X-Location'])];
    expect([createAnswerPassing((value) => `${value}!`)(said), createAnswerPassing(undefined)(said)]).toEqual([mapped, said]);
  });
});

describe('trailers', () => {
  const DECIDING = [
    'Authorization',
    'Cache-Control',
    'Content-Encoding',
    'Content-Range',
    'Content-Type',
    'Cookie',
    'DPoP',
    'DPoP-Nonce',
    'Expires',
  ];
  const MORE = ['Location', 'Max-Forwards', 'Range', 'Retry-After', 'Set-Cookie', 'Vary', 'Via', 'WWW-Authenticate'];

  test('T17 nothing passes behind a body that decides how it is framed, routed, trusted or read, however it is spelled', () => {
    const names = [...HOP_BY_HOP, ...OURS, ...DECIDING, ...MORE];
    expect(trailerFields(each([...names, ...names.map(twin), 'X-Sum']))).toEqual(['X-Sum', '1']);
  });

  test('no name of the head comes again behind the body of a request, but its values are no names', () => {
    const head = [['X-Key', 'X-Sum'], each(['X-Other'])];
    expect(requestTrailers(each(['x.key', 'X-OTHER-', 'X-Sum']), head)).toEqual(['X-Sum', '1']);
  });
});
