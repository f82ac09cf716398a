/** What callers of HTTP/2 send: whole requests in any spelling, malformed ones, and mutations of both. */

import { data, plain } from '../helpers/http2-client.ts';
import { code, FRAME, frame, literalFields } from '../helpers/http2-frames.ts';
import type { Random } from './random.ts';

/** One connection's worth. */
export interface Http2Case {
  readonly kind: 'well-formed' | 'malformed' | 'mutated';
  readonly bytes: Buffer;
  /** Tags of its requests, in the order of their streams, and what each is. */
  readonly requests: readonly {
    readonly tag: string;
    readonly stream: number;
    readonly method: string;
    readonly target: string;
    readonly body: string;
  }[];
}

const METHODS = ['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH'];
const PATHS = ['/x', '/', '/a%2fb?c=d&e', '/x?/../y', '/%7e;p=1', '/x?a=b?c'];
const FIELDS = [
  ['x-a', '1'],
  ['accept', '*/*'],
  ['cookie', 'a=b'],
  ['x-odd', 'a\tb\xe4\xff'],
  ['x-empty', ''],
  ['te', 'trailers'],
  ['via', '1.0 a'],
  ['x_b', '2'],
];
const BODIES = ['a', 'hello world', 'GET /api/smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n', '0\r\n\r\n', '\r\n'];

/** What makes a request one that must not pass; each is put behind the pseudo-fields. */
const FAULTS: readonly (readonly string[])[] = [
  [':path', '/api/b'],
  [':foo', 'x'],
  [':status', '200'],
  ['X-A', 'b'],
  ['connection', 'x-a'],
  ['keep-alive', 'x'],
  ['transfer-encoding', 'chunked'],
  ['upgrade', 'websocket'],
  ['te', 'gzip'],
  ['host', 'other'],
  ['content-length', '+1'],
  ['content-length', '1, 1'],
  ['content-length', '99'],
  ['authorization', 'a', 'authorization', 'b'],
  ['expect', 'x'],
];
const BAD_PATHS = [
  '/api/../x',
  '/api/x#y',
  '/api\\x',
  '/api/x y',
  '',
  '*',
  'api/x',
  'http://localhost/api/x',
  '/api/x\r\nX: y',
  '/api/\xe9',
];

const GOAWAY = frame(FRAME.goaway, 0, 0, Buffer.alloc(8));

export function http2Case(random: Random, name: string): Http2Case {
  const kind = random.pick(['well-formed', 'malformed', 'mutated', 'mutated', 'mutated'] as const);
  const pieces: Buffer[] = [];
  const requests = Array.from({ length: 1 + random.int(3) }, (_, i) => {
    const isBad = kind === 'malformed' || (kind === 'mutated' && random.chance(3));
    const one = request(random, `${name}-${i}`, 2 * i + 1, isBad);
    pieces.push(...one.frames);
    return one;
  });
  // Behind a GOAWAY the connection ends with the stream that is refused, in the same turn.
  if (kind === 'malformed' && random.chance(4)) pieces.unshift(GOAWAY);
  const bytes = kind === 'mutated' ? mutate(random, pieces) : Buffer.concat(pieces);
  return { kind, bytes, requests };
}

function request(random: Random, tag: string, stream: number, isBad: boolean) {
  const method = random.pick(METHODS);
  const target = random.pick(PATHS);
  const pseudo = isBad && random.chance(3) ? plain(random.pick(BAD_PATHS), method) : plain(`/api${target}`, method);
  const fault = isBad && pseudo[7]?.startsWith('/api') ? random.pick(FAULTS) : [];
  const body = random.chance(3) ? '' : random.pick(BODIES);
  const fields = [...pseudo, 'x-tag', tag, ...fault];
  for (let i = random.int(4); i > 0; i -= 1) fields.push(...random.pick(FIELDS));
  if (body !== '' && fault[0] !== 'content-length' && random.chance(2)) fields.push('content-length', String(body.length));
  const hasTrailers = body !== '' && random.chance(4);
  const frames = [head(random, stream, fields, body === ''), ...bodyFrames(random, stream, body, !hasTrailers)];
  if (hasTrailers) frames.push(frame(FRAME.headers, 5, stream, literalFields(['x-sum', '1'])));
  return { tag, stream, method, target, body, frames };
}

/** In any of the three kinds of literals. */
export function fieldBlock(random: Random, fields: readonly string[]): Buffer {
  const pairs = fields.flatMap((name, i) => (i % 2 === 0 ? [literalFields([name, fields[i + 1] as string])] : []));
  for (const pair of pairs) pair[0] = random.pick([0x00, 0x10, 0x40]);
  return Buffer.concat(pairs);
}

/** In one frame or in several. */
function head(random: Random, stream: number, fields: readonly string[], ended: boolean): Buffer {
  const block = fieldBlock(random, fields);
  const cut = random.chance(3) ? random.int(block.length) : block.length;
  const isWhole = cut === block.length;
  const first = frame(FRAME.headers, (ended ? 1 : 0) | (isWhole ? 4 : 0), stream, block.subarray(0, cut));
  return isWhole ? first : Buffer.concat([first, frame(FRAME.continuation, 4, stream, block.subarray(cut))]);
}

function bodyFrames(random: Random, stream: number, body: string, ended: boolean): Buffer[] {
  if (body === '') return [];
  const cut = random.int(body.length);
  const frames = cut > 0 ? [data(stream, body.slice(0, cut))] : [];
  const rest = Buffer.from(body.slice(cut), 'latin1');
  if (random.chance(2)) return [...frames, data(stream, rest, ended)];
  const padding = random.int(20);
  return [...frames, frame(FRAME.data, 8 | (ended ? 1 : 0), stream, Buffer.concat([Uint8Array.of(padding), rest, Buffer.alloc(padding)]))];
}

const EXTRAS: readonly ((random: Random) => Buffer)[] = [
  (random) => frame(FRAME.reset, 0, 1 + random.int(6), code(random.int(14))),
  (random) => frame(FRAME.windowUpdate, 0, random.int(4), code(random.int(2) * 0x7fffffff)),
  (random) => frame(FRAME.settings, random.int(2), random.int(2), Buffer.alloc(random.int(13), random.int(256))),
  (random) => frame(FRAME.ping, random.int(2), random.int(2), Buffer.alloc(random.pick([7, 8, 8]))),
  () => GOAWAY,
  (random) => frame(FRAME.priority, 0, 1 + random.int(6), Buffer.alloc(5)),
  (random) => frame(FRAME.continuation, random.int(8), 1 + random.int(6), Buffer.alloc(random.int(9))),
  (random) => frame(random.int(256), random.int(256), random.int(8), Buffer.alloc(random.int(30), random.int(256))),
  (random) => data(1 + random.int(6), 'x'.repeat(random.int(5)), random.chance(2)),
];

function mutate(random: Random, frames: readonly Buffer[]): Buffer {
  const pieces = [...frames];
  for (let i = random.int(3); i > 0; i -= 1) {
    const at = random.int(pieces.length);
    const how = random.int(4);
    if (how === 0) pieces.splice(at, 1, pieces[at] as Buffer, pieces[at] as Buffer);
    else if (how === 1 && pieces.length > 1) pieces.splice(at, 1);
    else if (how === 2) pieces.push(...pieces.splice(at, 1));
    else pieces.splice(at, 0, random.pick(EXTRAS)(random));
  }
  return mutateBytes(random, Buffer.concat(pieces));
}

/** Up to three of them changed, lost or added. */
export function mutateBytes(random: Random, given: Buffer): Buffer {
  let bytes = Buffer.from(given);
  for (let i = random.int(4); i > 0 && bytes.length > 0; i -= 1) {
    const at = random.int(bytes.length);
    const how = random.int(3);
    if (how === 0) bytes[at] = random.int(256);
    else if (how === 1) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1)]);
    else bytes = Buffer.concat([bytes.subarray(0, at), Uint8Array.of(random.int(256)), bytes.subarray(at)]);
  }
  return bytes;
}
