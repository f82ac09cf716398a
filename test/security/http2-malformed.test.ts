/**
 * Requests of HTTP/2 that somebody behind us would read in two ways once they are framed anew as HTTP/1.1, as bytes on the wire: whatever
 * of them is refused, nothing of it reaches the upstream.
 */

import { constants } from 'node:http2';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { codeOf, data, type Frame, FrameCaller, plain, request } from '../helpers/http2-client.ts';
import { FRAME } from '../helpers/http2-frames.ts';
import { fieldLines } from '../helpers/message-framing.ts';

let scene: Scene;
beforeAll(async () => {
  const local = { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['h2c'] };
  scene = await startScene({ config: { listeners: { local } }, route: { upgrade: true } });
});
afterAll(() => scene.close());

interface Outcome {
  readonly frames: readonly Frame[];
  /** `reset`: the stream was refused as malformed (RFC 9113 §8.1.1); else what the answer says. */
  readonly outcome: string;
  /** Heads that the upstream got. */
  readonly sent: readonly string[];
}

async function send(...frames: readonly Buffer[]): Promise<Outcome> {
  const before = scene.origin.requests.length;
  const caller = await FrameCaller.open(scene.address());
  caller.write(...frames);
  await caller.waitFor(({ type, flags, stream }) => stream === 1 && (type === FRAME.reset || (type <= FRAME.headers && (flags & 1) === 1)));
  const { frames: received } = caller;
  caller.raw.socket.destroy();
  const refused = received.find(({ type }) => type === FRAME.reset);
  const body = Buffer.concat(received.filter(({ type }) => type === FRAME.data).map(({ payload }) => payload)).toString();
  if (refused !== undefined) expect(codeOf(refused)).toBe(constants.NGHTTP2_PROTOCOL_ERROR);
  return {
    frames: received,
    outcome: refused === undefined ? body : 'reset',
    sent: scene.origin.requests.slice(before).map(({ head }) => head),
  };
}

const P = plain();
const without = (name: string) => P.filter((_, i) => P[i - (i % 2)] !== name);

const malformed: [string, string[]][] = [
  ['H09 two paths', [...P, ':path', '/b']],
  ['H12 two methods', [':method', 'GET', ...P]],
  ['H08 two authorities', [...P, ':authority', 'localhost']],
  ['a pseudo-field behind a field', ['x-a', 'b', ...P]],
  ['a pseudo-field between fields', [...without(':path'), 'x-a', 'b', ':path', '/api/x']],
  ['an unknown pseudo-field', [...P, ':foo', 'x']],
  ['a pseudo-field of answers', [...P, ':status', '200']],
  ['the pseudo-field of an extended CONNECT (RFC 8441)', [...P, ':protocol', 'websocket']],
  ['H13 a name in capitals', [...P, 'X-A', 'b']],
  ['N02 connection', [...P, 'connection', 'close']],
  ['N02 keep-alive', [...P, 'keep-alive', 'timeout=5']],
  ['N02 proxy-connection', [...P, 'proxy-connection', 'keep-alive']],
  ['N02 upgrade', [...P, 'upgrade', 'websocket']],
  ['N02 te with another coding', [...P, 'te', 'gzip']],
  ['H02 transfer-encoding', [...P, 'transfer-encoding', 'chunked']],
  ['H08 two hosts', [...P, 'host', 'localhost', 'host', 'localhost']],
  ['H08 a user in the authority', plain('/api/x', 'GET', 'u@localhost')],
  ['H08 a space in the authority', plain('/api/x', 'GET', 'local host')],
  ['H08 an empty authority', plain('/api/x', 'GET', '')],
  ['H08 neither authority nor host', without(':authority')],
  ['H08 an authority with a path', plain('/api/x', 'GET', 'a/b')],
  ['H08 a Host alone that is malformed', [...without(':authority'), 'host', 'a/b']],
  ['H09 an empty path', plain('')],
  ['H09 no path', without(':path')],
  ['no scheme', without(':scheme')],
  ['H12 no method', without(':method')],
  ['H09 a space in the path', plain('/api/a b')],
  ['H09 a request line in the path', plain('/api/a HTTP/1.1\r\nX: y')],
  ['H09 a whole URL as the path', plain('http://localhost/api/x')],
  ['H09 a path without a slash', plain('api/x')],
  ['H12 CONNECT with a path', plain('/x', 'CONNECT')],
  ['H12 a space in the method', plain('/api/x', 'GE T')],
  ['H12 a line break in the method', plain('/api/x', 'GET\r\n')],
  ['H01 a length without a body', [...P, 'content-length', '5']],
  ['H01 two lengths', [...P, 'content-length', '0', 'content-length', '0']],
  ['H01 a length with a sign', [...P, 'content-length', '+0']],
  ['H01 a list of lengths', [...P, 'content-length', '0, 0']],
  ['H01 a negative length', [...P, 'content-length', '-1']],
  ['H01 a length in hexadecimal', [...P, 'content-length', '0x0']],
  ['H01 a length past 2^64', [...P, 'content-length', '18446744073709551621']],
];

const refused: [string, string[], number, string][] = [
  ['H08 a host that differs from the authority', [...P, 'host', 'other'], 400, 'differs from'],
  ['H08 an authority with two ports', plain('/api/x', 'GET', 'a:1:2'), 400, 'malformed'],
  ['another scheme', P.map((text) => (text === 'http' ? 'ftp' : text)), 400, ':scheme'],
  ['H09 bytes beyond ASCII in the path', plain('/api/\xe9'), 400, 'ASCII'],
  ['H09 an asterisk', plain('*', 'OPTIONS'), 400, 'about no route'],
  ['H09 dot segments', plain('/api/../x'), 400, 'dot segment'],
  ['H09 encoded dot segments', plain('/api/%2e%2e/x'), 400, 'dot segment'],
  ['H09 a fragment', plain('/api/x#y'), 400, 'fragment'],
  ['H09 a backslash', plain('/api\\x'), 400, 'backslash'],
  ['H12 CONNECT', [':method', 'CONNECT', ':authority', 'localhost:443'], 501, 'CONNECT is not supported'],
  ['H12 TRACE', plain('/api/x', 'TRACE'), 405, 'TRACE'],
  ['H12 a method in lower case', plain('/api/x', 'get'), 400, 'capitals'],
  ['N03 two credentials', [...P, 'authorization', 'a', 'authorization', 'b'], 400, 'repeated'],
  ['S09 an unknown expectation', [...P, 'expect', 'x'], 417, 'expect'],
  ['S05 a long target', plain(`/api/${'x'.repeat(8 * 1024)}`), 414, 'too long'],
  ['S05 a large head', [...P, 'x-a', 'y'.repeat(16 * 1024)], 431, 'too large'],
  ['S05 many fields', [...P, ...Array.from({ length: 100 }, (_, i) => [`x-${i}`, 'y']).flat()], 431, 'too many'],
];

/** `node:http2` leaves these out without a word: nobody can be misled by them any more. */
const dropped: [string, string, string][] = [
  ['a line break in a value', 'x-a', 'b\r\nx-c: d'],
  ['a bare LF in a value', 'x-a', 'b\nx-c: d'],
  ['NUL in a value', 'x-a', 'b\0'],
  ['a space before a value', 'x-a', ' b'],
  ['a colon in a name', 'x-a: b\r\nx-c', 'd'],
  ['a space in a name', 'transfer-encoding ', 'chunked'],
  ['an empty name', '', 'x-c: d'],
];

describe('a malformed request of HTTP/2 never reaches the upstream', () => {
  test.each(malformed)('%s: the stream is reset', async (_what, fields) => {
    expect(await send(request(1, fields))).toMatchObject({ outcome: 'reset', sent: [] });
  });

  test.each(refused)('%s is answered: %j', async (_what, fields, status, says) => {
    const { outcome, sent } = await send(request(1, fields));
    expect([sent, JSON.parse(outcome)]).toMatchObject([[], { status, detail: expect.stringContaining(says) }]);
  });

  test.each(dropped)('N10 %s: the field is left out', async (_what, name, value) => {
    const { outcome, sent } = await send(request(1, [...P, name, value, 'x-b', 'kept']));
    expect([outcome, sent.length]).toEqual(['ok', 1]);
    expect(sent[0]).toMatch(/^GET \/x HTTP\/1\.1\r\nhost: [\d.:]+\r\nx-b: kept\r\nx-request-id: /);
    expect(sent[0]).not.toMatch(/x-a|x-c|chunked/);
  });

  test('H01 a body longer than its length never arrives, and ends the connection', async () => {
    const before = scene.origin.requests.length;
    const caller = await FrameCaller.open(scene.address());
    caller.write(request(1, [...plain('/api/x', 'POST'), 'content-length', '3'], { ended: false }), data(1, 'hello', true));
    await caller.raw.closed;
    expect(caller.frames.filter(({ type }) => type <= FRAME.headers)).toEqual([]);
    expect(scene.origin.requests).toHaveLength(before);
    expect(scene.origin.received().includes('hel')).toBe(false);
  });

  test('H01 a body shorter than its length is never whole for the upstream', async () => {
    const { outcome, sent } = await send(
      request(1, [...plain('/api/x', 'POST'), 'content-length', '9'], { ended: false }),
      data(1, 'hello', true),
    );
    expect([outcome, sent]).toEqual(['reset', []]);
  });

  const trailers: [string, string[]][] = [
    ['H12 a pseudo-field', [':path', '/b']],
    ['H02 a transfer coding', ['transfer-encoding', 'chunked']],
    ['N02 a connection field', ['connection', 'x-a']],
    ['H13 a name in capitals', ['X-A', 'b']],
  ];
  test.each(trailers)('%s behind a body: the body is never whole', async (_what, fields) => {
    const head = request(1, plain('/api/x', 'POST'), { ended: false });
    expect(await send(head, data(1, 'hello'), request(1, fields))).toMatchObject({ outcome: 'reset', sent: [] });
  });

  test('N10 what decides anything is left out of the fields behind a body, and so is what is malformed', async () => {
    const before = scene.origin.received().length;
    const fields = ['content-length', '5', 'authorization', 'own', 'x-a', 'b\r\nX-C: d', 'host', 'other', 'x-sum', '1'];
    const head = request(1, plain('/api/x', 'POST'), { ended: false });
    expect(await send(head, data(1, 'hello'), request(1, fields))).toMatchObject({ outcome: 'ok' });
    expect(scene.origin.received().subarray(before).toString('latin1')).toMatch(/\r\n5\r\nhello\r\n0\r\nx-sum: 1\r\n\r\n$/);
  });

  test('what is well-formed arrives as one request, framed anew', async () => {
    const fields = [
      'cookie',
      'a=b',
      'x-a',
      'caf\xe9',
      'cookie',
      'c=d',
      'te',
      'trailers',
      'host',
      'localhost',
      'cookie',
      'e=f',
      'http2-settings',
      'x',
    ];
    const { outcome, sent } = await send(request(1, [...P, ...fields]));
    const head = sent[0] as string;
    expect(outcome).toBe('ok');
    expect(head).toMatch(/^GET \/x HTTP\/1\.1\r\n/);
    expect(fieldLines(head, 'cookie')).toEqual(['a=b; c=d; e=f']);
    expect(fieldLines(head, 'x-a')).toEqual(['caf\xe9']);
    expect(fieldLines(head, 'host')).toEqual([new URL(scene.origin.url).host]);
    expect(fieldLines(head, 'via')).toEqual(['2.0 token-broker']);
    for (const name of ['te', 'http2-settings', 'connection', 'content-length', 'transfer-encoding'])
      expect(fieldLines(head, name)).toEqual([]);
  });
});
