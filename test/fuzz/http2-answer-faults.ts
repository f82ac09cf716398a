/** What makes an answer over HTTP/2 one that must not pass for whole (RFC 9113 §8.1 to §8.3), and what an upstream must not say between answers. */

import { code, FRAME } from '../helpers/http2-frames.ts';
import { type Answer, dataPiece, ELSEWHERE, type Piece, section, spell, type Unit } from './http2-answer-frames.ts';
import type { Random } from './random.ts';

/**
 * `broken`: refused, or broken off visibly. `cut`: the same, but for a caller of HTTP/1.1 that has as many bytes as were announced by then.
 * `either`: that, or whole and unchanged. `any`: as far as the frames allow.
 */
export type Verdict = 'whole' | 'either' | 'broken' | 'cut' | 'any';

export interface Spoilt {
  readonly units: readonly Unit[];
  readonly verdict: Verdict;
}

type Fault = (random: Random, on: number, answer: Answer, bodiless: boolean) => Spoilt;

/** Behind the status, wherever in the head. */
const BAD_FIELDS: readonly (readonly string[])[] = [
  [':status', '200'],
  [':path', '/'],
  [':foo', 'x'],
  [':', 'x'],
  ['X-A', 'b'],
  ['x-A', 'b'],
  ['connection', 'close'],
  ['keep-alive', 'timeout=5'],
  ['proxy-connection', 'x'],
  ['transfer-encoding', 'chunked'],
  ['upgrade', 'websocket'],
  ['content-length', '+1'],
  ['content-length', '1, 1'],
  ['content-length', ''],
  ['content-length', '1', 'content-length', '2'],
  ['content-length', '99999999999999999999'],
  ['content-length', '0x1'],
  ['x-long', 'x'.repeat(70_000)],
];
const BAD_STATUSES = ['', '20', '2000', '+20', '099', 'abc', '101', '1xx', ' 200', '000', '600', '2.0', '20\0', '-20'];
/** nghttp2 leaves these fields out without a word; nothing of them may arrive. */
const LEFT_OUT = [
  ['', 'x'],
  ['x leak', 'b'],
  ['x-leak\r\n', 'b'],
  ['x-leak:', 'b'],
  ['x-leak', 'b\r\nx-leak: c'],
  ['x-leak', 'b\0'],
  ['x-leak', ' b'],
  ['x-leak', 'b\n'],
  ['x-leak\xe4', 'b'],
  ['x-leak', '\x7f'],
];
const BAD_TRAILERS = [
  [':status', '200'],
  ['X-Sum', '1'],
  ['connection', 'close'],
  ['x-sum', '1', ':path', '/'],
  ['transfer-encoding', 'chunked'],
];
const MANY_INTERIMS = 25;

/** Into the head, at any place behind the status. */
function inserted(random: Random, answer: Answer, extra: readonly string[]): Answer {
  const at = 2 * random.int(answer.fields.length / 2 + 1);
  return { ...answer, fields: [...answer.fields.slice(0, at), ...extra, ...answer.fields.slice(at)] };
}

const reset = (random: Random, on: number): Piece => ({ type: FRAME.reset, flags: 0, payload: code(random.int(15)), on });

const FAULTS: readonly Fault[] = [
  (random, on, answer) => ({ units: spell(random, on, inserted(random, answer, random.pick(BAD_FIELDS))), verdict: 'broken' }),
  (random, on, answer) => ({ units: spell(random, on, inserted(random, answer, random.pick(LEFT_OUT))), verdict: 'either' }),
  (random, on, { fields, body }) => {
    const status = random.chance(3) ? [] : [':status', random.pick(BAD_STATUSES)];
    return { units: [section(random, on, [...status, ...fields], false), [dataPiece(random, on, body, true)]], verdict: 'broken' };
  },
  // The status behind the fields.
  (random, on, { fields, body }) => ({
    units: [section(random, on, [...fields, ':status', '200'], false), [dataPiece(random, on, body, true)]],
    verdict: 'broken',
  }),
  // A length that lies.
  (random, on, answer, bodiless) => {
    const { body } = answer;
    const fields = answer.fields.filter((_, i) => answer.fields[i - (i % 2)] !== 'content-length');
    const lie = random.chance(2) || body === '' ? body.length + 1 + random.int(3) : random.int(body.length);
    return {
      units: spell(random, on, { ...answer, fields: [...fields, 'content-length', String(lie)] }),
      verdict: bodiless ? 'any' : 'cut',
    };
  },
  (random, on, answer) => ({ units: [[dataPiece(random, on, 'x', false)], ...spell(random, on, answer)], verdict: 'broken' }),
  // Two heads, in any place behind the first.
  (random, on, answer, bodiless) => {
    const units = [section(random, on, [':status', '200', ...answer.fields], false), [dataPiece(random, on, answer.body, false)]];
    const second = section(random, on, [':status', random.pick(['103', '200', '404'])], random.chance(2));
    units.splice(1 + random.int(2), 0, second);
    return { units: [...units, [dataPiece(random, on, '', true)]], verdict: bodiless ? 'any' : 'cut' };
  },
  (random, on, answer) => ({ units: [section(random, on, [':status', '103'], true), ...spell(random, on, answer)], verdict: 'broken' }),
  (random, on, answer) => ({
    units: spell(random, on, { ...answer, interims: Array.from({ length: MANY_INTERIMS }, () => 103) }),
    verdict: 'broken',
  }),
  (random, on, answer, bodiless) => ({
    units: [
      section(random, on, [':status', '200', ...answer.fields], false),
      [dataPiece(random, on, answer.body, false)],
      section(random, on, random.pick(BAD_TRAILERS), true),
    ],
    verdict: bodiless ? 'any' : 'cut',
  }),
  // Trailers that do not end the stream, though it ends.
  (random, on, answer, bodiless) => ({
    units: [
      section(random, on, [':status', '200', ...answer.fields], false),
      section(random, on, ['x-sum', '1'], false),
      [dataPiece(random, on, answer.body, true)],
    ],
    verdict: bodiless ? 'any' : 'cut',
  }),
  // Reset before its end, without an error too.
  (random, on, answer, bodiless) => {
    const units = spell(random, on, answer);
    return { units: [...units.slice(0, random.int(units.length)), [reset(random, on)]], verdict: bodiless ? 'any' : 'cut' };
  },
  // Left open.
  (random, on, answer, bodiless) => {
    const units = spell(random, on, answer);
    return { units: units.slice(0, random.int(units.length)), verdict: bodiless ? 'any' : 'cut' };
  },
  // More behind its end.
  (random, on, answer) => ({ units: [...spell(random, on, answer), [dataPiece(random, on, 'x', random.chance(2))]], verdict: 'either' }),
  (random, on, answer) => ({ units: [...spell(random, on, answer), ...spell(random, on, answer)], verdict: 'either' }),
  (random, on, answer) => ({ units: [...spell(random, on, answer), [reset(random, on)]], verdict: 'either' }),
];

export function spoil(...of: Parameters<Fault>): Spoilt {
  return of[0].pick(FAULTS)(...of);
}

const extra = (type: number, flags: number, on: number, payload: Uint8Array = Buffer.alloc(0)): Unit => [
  { type, flags, payload: Buffer.from(payload), on },
];
const setting = (id: number, value: number) => Buffer.concat([Buffer.of(0, id), code(value)]);

/** What ends a connection, or should, wherever it stands; some of it nghttp2 passes over. */
const INTRUSIONS: readonly ((random: Random) => Unit)[] = [
  () => extra(FRAME.data, 1, ELSEWHERE.connection, Buffer.from('x')),
  (random) => section(random, random.pick(Object.values(ELSEWHERE)), [':status', '200'], random.chance(2)),
  (random) => [dataPiece(random, random.pick(Object.values(ELSEWHERE)), 'planted', random.chance(2))],
  (random) => extra(FRAME.pushPromise, 4, random.int(2), Buffer.concat([code(2 + 2 * random.int(3)), Buffer.of(0x82, 0x84, 0x86)])),
  (random) => extra(FRAME.settings, random.int(2), ELSEWHERE.connection, Buffer.alloc(random.int(13), random.int(256))),
  (random) => extra(FRAME.settings, 0, ELSEWHERE.connection, random.pick([setting(4, 0x80000000), setting(5, 1), setting(2, 2)])),
  (random) => extra(FRAME.settings, 0, random.int(2), setting(3, 1)),
  (random) => extra(FRAME.goaway, 0, ELSEWHERE.connection, Buffer.concat([code(random.pick([0, 1, 0x7fffffff])), code(random.int(15))])),
  (random) => extra(FRAME.goaway, 0, ELSEWHERE.connection, Buffer.alloc(random.int(8))),
  (random) => [reset(random, random.pick([...Object.values(ELSEWHERE), 0]))],
  (random) => extra(FRAME.reset, 0, random.int(2), Buffer.alloc(random.pick([0, 3, 5]))),
  (random) => extra(FRAME.windowUpdate, 0, random.pick([-1, -2, 0]), code(random.pick([0, 0x7fffffff, 0x7fffffff]))),
  (random) => extra(FRAME.windowUpdate, 0, random.pick([-1, 0]), Buffer.alloc(3)),
  (random) => extra(FRAME.ping, random.int(2), random.pick([-1, 0]), Buffer.alloc(random.pick([7, 8, 9]))),
  (random) => extra(FRAME.continuation, random.int(8), random.pick([-1, 0]), Buffer.alloc(random.int(9))),
  (random) => extra(FRAME.priority, 0, random.pick([-1, 0]), Buffer.alloc(random.int(7))),
  (random) => extra(FRAME.data, 0, random.int(2), Buffer.alloc(17_000)),
  (random) => extra(FRAME.data, 8, random.int(2), Buffer.of(200, 0)),
  (random) => extra(random.int(256), random.int(256), random.pick([-1, -2, 0, 1]), Buffer.alloc(random.int(30), random.int(256))),
];

export function intrusion(random: Random): Unit {
  return random.pick(INTRUSIONS)(random);
}
