/** What upstreams of HTTP/2 say: whole answers in any spelling, malformed ones, and mutations of both. */

import { code, FRAME, frame } from '../helpers/http2-frames.ts';
import { intrusion, spoil, type Verdict } from './http2-answer-faults.ts';
import { type Answer, ELSEWHERE, spell, type Unit } from './http2-answer-frames.ts';
import { mutateBytes } from './http2-cases.ts';
import { Random } from './random.ts';

export interface Asked {
  /** In its field and in its answer. */
  readonly tag: string;
  readonly method: string;
  /** The caller asks over HTTP/2, or else over HTTP/1.1. */
  readonly overHttp2: boolean;
  readonly body: string;
  readonly verdict: Verdict;
  readonly answer: Answer;
}

/** Requests that are under way at once, and what is said to all of them. */
export interface AnswerCase {
  readonly kind: 'well-formed' | 'malformed' | 'mutated';
  /** What connections are told first; `undefined`: that of the case before will do. */
  readonly opening: Buffer | undefined;
  readonly asked: readonly Asked[];
  readonly units: readonly Unit[];
  /** Of the bytes that those frames are. */
  mutate(bytes: Buffer): Buffer;
  /** They come in two pieces. */
  readonly isCut: boolean;
}

const METHODS = ['GET', 'GET', 'HEAD', 'POST', 'DELETE', 'OPTIONS'];
const STATUSES = [200, 200, 200, 201, 204, 304, 404, 500];
const FIELDS = [
  ['x-a', '1'],
  ['set-cookie', 'a=b'],
  ['x-odd', 'a\tb\xe4\xff'],
  ['x-empty', ''],
  ['server', 'x'],
  ['x_b', '2'],
  ['te', 'trailers'],
  ['trailer', 'x-sum'],
  ['proxy-authenticate', 'Basic'],
  ['constructor', 'x'],
];
const BODIES = ['', 'a', 'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\nplanted', '0\r\n\r\n', '\r\n'];
const INTERIMS = [100, 102, 103];

/** Huffman would make it longer, so that it stands in a head as it is; no other case has it. */
export function tagOf(name: string): string {
  return `~~~~~~~~~~~~${name}~`;
}
export const TAG = /~{12}([\w-]+)~/g;

const setting = (id: number, value: number) => Buffer.concat([Buffer.of(0, id), code(value)]);
/** Nothing is kept of heads, so that each has its tag as it is. */
const NO_TABLE = setting(1, 0);
export const OPENING = frame(FRAME.settings, 0, 0, NO_TABLE);

const OPENINGS: readonly ((random: Random) => Buffer)[] = [
  () => OPENING,
  (random) => frame(FRAME.settings, 0, 0, Buffer.concat([NO_TABLE, setting(3, 1 + random.int(3))])),
  (random) => frame(FRAME.settings, 0, 0, Buffer.concat([NO_TABLE, setting(4, random.pick([1, 65_535, 0x7fffffff]))])),
  (random) => frame(FRAME.settings, 0, 0, Buffer.concat([NO_TABLE, setting(5, 16_384 + random.int(9)), setting(0x55, 7), setting(8, 1)])),
  () => Buffer.concat([OPENING, frame(FRAME.windowUpdate, 0, 0, code(1_000_000)), frame(FRAME.ping, 0, 0, Buffer.alloc(8))]),
];
const BAD_OPENINGS: readonly ((random: Random) => Buffer)[] = [
  () => Buffer.from('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n'),
  () => frame(FRAME.ping, 0, 0, Buffer.alloc(8)),
  (random) => frame(FRAME.settings, 0, 0, Buffer.alloc(1 + random.int(5))),
  () => frame(FRAME.settings, 0, 1, NO_TABLE),
  () => frame(FRAME.settings, 1, 0, NO_TABLE),
  (random) => frame(FRAME.settings, 0, 0, random.pick([setting(2, 2), setting(4, 0x80000000), setting(5, 16_383), setting(5, 2 ** 24)])),
  () => frame(FRAME.goaway, 0, 0, Buffer.alloc(8)),
];

export function answerCase(random: Random, name: string): AnswerCase {
  const kind = random.pick(['well-formed', 'malformed', 'mutated', 'mutated'] as const);
  const units: Unit[][] = [];
  const count = 1 + random.int(3);
  // One of them at least, and if it is none of the answers it is what stands between them.
  const spoilt = kind === 'malformed' || (kind === 'mutated' && random.chance(3)) ? random.int(count + 1) : undefined;
  const isIntruded = spoilt === count || (kind === 'mutated' && random.chance(3));
  const asked = Array.from({ length: count }, (_, i): Asked => {
    const one = { tag: tagOf(`${name}-${i}`), method: random.pick(METHODS), overHttp2: random.chance(2) };
    const body = one.method === 'POST' ? random.pick(['', 'x', 'hello world']) : '';
    const answer = answerOf(random, one.tag, one.method);
    const bodiless = one.method === 'HEAD' || answer.status === 204 || answer.status === 304;
    const { units: own, verdict } =
      spoilt === i
        ? spoil(random, i, answer, bodiless)
        : { units: spell(random, i, answer), verdict: kind === 'malformed' ? ('either' as const) : ('whole' as const) };
    units.push([...own]);
    return { ...one, body, answer, verdict: kind === 'mutated' ? 'any' : verdict };
  });
  const told = interleave(random, units);
  if (isIntruded) told.splice(random.int(told.length + 1), 0, intrusion(random));
  if (kind === 'malformed' && random.chance(6)) told.unshift(GOAWAY);
  if (kind === 'well-formed' && random.chance(3)) told.splice(random.int(told.length + 1), 0, harmless(random));
  const bytesSeed = random.int(2 ** 31);
  if (kind === 'mutated') mutateUnits(random, told);
  const hasBadOpening = kind === 'malformed' && random.chance(12);
  const opening = hasBadOpening
    ? random.pick(BAD_OPENINGS)(random)
    : kind === 'well-formed' && random.chance(6)
      ? random.pick(OPENINGS)(random)
      : kind === 'mutated' && random.chance(12)
        ? mutateBytes(random, random.pick(OPENINGS)(random))
        : undefined;
  return {
    kind,
    opening,
    asked: hasBadOpening ? asked.map((one) => ({ ...one, verdict: 'broken' as const })) : asked,
    units: told,
    isCut: random.chance(4),
    mutate: (bytes) => (kind === 'mutated' ? mutateBytes(new Random(bytesSeed), bytes) : bytes),
  };
}

/** A well-formed one: what a route must be able to answer after everything else. */
export function goodCase(name: string): AnswerCase {
  const random = new Random(1);
  const tag = tagOf(name);
  const answer = { interims: [], status: 200, fields: ['x-tag', tag], body: 'good', trailers: [] };
  const asked: Asked[] = [{ tag, method: 'POST', overHttp2: true, body: 'x', verdict: 'whole', answer }];
  return { kind: 'well-formed', opening: OPENING, asked, units: spell(random, 0, answer), isCut: false, mutate: (bytes) => bytes };
}

function answerOf(random: Random, tag: string, method: string): Answer {
  const status = random.pick(STATUSES);
  const bodiless = method === 'HEAD' || status === 204 || status === 304;
  const fields = ['x-tag', tag];
  for (let i = random.int(5); i > 0; i -= 1) fields.push(...random.pick(FIELDS));
  const filled = random.chance(5) ? 'x'.repeat(random.int(6_000)) : random.pick(BODIES);
  const body = bodiless || random.chance(6) ? '' : `${tag}${filled}`;
  if (status !== 204 && random.chance(2)) fields.push('content-length', String(bodiless ? random.int(99) : body.length));
  const trailers = !bodiless && random.chance(4) ? ['x-sum', '1', ...(random.chance(2) ? ['grpc-status', '0'] : [])] : [];
  const interims = Array.from({ length: random.chance(4) ? random.int(4) : 0 }, () => random.pick(INTERIMS));
  return { interims, status, fields, body, trailers };
}

const GOAWAY: Unit = [{ type: FRAME.goaway, flags: 0, payload: Buffer.concat([code(0x7fffffff), code(0)]), on: ELSEWHERE.connection }];

/** Between two answers: whoever does not know it passes over it (RFC 9113 §5.5). */
function harmless(random: Random): Unit {
  const on = ELSEWHERE.connection;
  return random.pick([
    [{ type: FRAME.ping, flags: 0, payload: Buffer.alloc(8), on }],
    [{ type: FRAME.windowUpdate, flags: 0, payload: code(1), on }],
    [{ type: FRAME.settings, flags: 0, payload: setting(3, 100), on }],
    [{ type: FRAME.priority, flags: 0, payload: Buffer.alloc(5, 1), on: 0 }],
    [{ type: 0x20 + random.int(200), flags: random.int(256), payload: Buffer.alloc(random.int(9)), on: random.pick([on, 0]) }],
    GOAWAY,
  ]);
}

/** Each answer in its order, and all of them at once. */
function interleave(random: Random, answers: readonly Unit[][]): Unit[] {
  const waiting = answers.filter(({ length }) => length > 0);
  const told: Unit[] = [];
  while (waiting.length > 0) {
    const at = random.int(waiting.length);
    const units = waiting[at] as Unit[];
    told.push(units.shift() as Unit);
    if (units.length === 0) waiting.splice(at, 1);
  }
  return told;
}

function mutateUnits(random: Random, told: Unit[]): void {
  for (let i = random.int(3); i > 0 && told.length > 0; i -= 1) {
    const at = random.int(told.length);
    const how = random.int(4);
    if (how === 0) told.splice(at, 0, told[at] as Unit);
    else if (how === 1) told.splice(at, 1);
    else if (how === 2) told.push(...told.splice(at, 1));
    else told.splice(at, 0, intrusion(random));
  }
}
