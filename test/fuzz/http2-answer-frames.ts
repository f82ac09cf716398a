/** Frames of answers over HTTP/2 before their streams are known, and all the ways in which one answer may be spelled (RFC 9113 §8.1). */

import { FRAME, frame } from '../helpers/http2-frames.ts';
import { fieldBlock } from './http2-cases.ts';
import type { Random } from './random.ts';

/** Where a frame goes besides the streams of the requests, which are counted from 0. */
export const ELSEWHERE = { connection: -1, idle: -2, pushed: -3, earlier: -4 } as const;

export interface Piece {
  readonly type: number;
  readonly flags: number;
  readonly payload: Buffer;
  /** The request whose stream carries it, or one of `ELSEWHERE`. */
  readonly on: number;
}

/** Frames between which no others may stand. */
export type Unit = readonly Piece[];

export interface Answer {
  /** Statuses of those before it. */
  readonly interims: readonly number[];
  readonly status: number;
  /** Name, value, name, value, … */
  readonly fields: readonly string[];
  readonly body: string;
  readonly trailers: readonly string[];
}

const [END_STREAM, END_HEADERS, PADDED, PRIORITY] = [1, 4, 8, 32];
/** RFC 7541 §6.1: what the static table has of `:status`. */
const INDEXED = ['200', '204', '206', '304', '400', '404', '500'];
/** RFC 7541 §6.3: to nothing, and to what everybody begins with. */
const TABLE_SIZES = [Buffer.of(0x20), Buffer.of(0x3f, 0xe1, 0x1f)];
const MAX_PAYLOAD = 16_000;
const MOST_PADDING = 20;

/** @param streams of the requests that these frames answer; what belongs to others is left out */
export function render(units: readonly Unit[], streams: ReadonlyMap<number, number>): Buffer {
  const first = Math.min(...streams.values());
  const idOf = (on: number) => {
    if (on === ELSEWHERE.idle || (on === ELSEWHERE.earlier && first === 1)) return first + 1_000;
    if (on === ELSEWHERE.pushed) return 2;
    return on === ELSEWHERE.earlier ? first - 2 : 0;
  };
  const here = units.flat().filter(({ on }) => on < 0 || streams.has(on));
  return Buffer.concat(here.map(({ type, flags, payload, on }) => frame(type, flags, streams.get(on) ?? idOf(on), payload)));
}

export function spell(random: Random, on: number, { interims, status, fields, body, trailers }: Answer): Unit[] {
  const units = interims.map((interim) => section(random, on, [':status', String(interim), 'link', '</a>'], false));
  const isAll = body === '' && trailers.length === 0 && random.chance(2);
  units.push(section(random, on, [':status', String(status), ...fields], isAll));
  if (!isAll) units.push(...dataUnits(random, on, body, trailers.length === 0));
  if (trailers.length > 0) units.push(section(random, on, trailers, true));
  return units;
}

/** A head or trailers: cut anywhere, padded, with a priority, the status as an index or a literal. */
export function section(random: Random, on: number, fields: readonly string[], ended: boolean): Unit {
  const isIndexed = fields[0] === ':status' && INDEXED.includes(fields[1] as string) && random.chance(2);
  const block = Buffer.concat([
    random.chance(8) ? random.pick(TABLE_SIZES) : Buffer.alloc(0),
    isIndexed ? Buffer.of(0x88 + INDEXED.indexOf(fields[1] as string)) : Buffer.alloc(0),
    fieldBlock(random, isIndexed ? fields.slice(2) : fields),
  ]);
  const cuts = Array.from({ length: random.chance(3) ? random.int(4) : 0 }, () => random.int(block.length + 1));
  for (let at = MAX_PAYLOAD; at < block.length; at += MAX_PAYLOAD) cuts.push(at);
  cuts.sort((a, b) => a - b);
  const last = cuts.length;
  return [0, ...cuts].map((from, i) => {
    const bytes = block.subarray(from, cuts[i] ?? block.length);
    const flags = i === last ? END_HEADERS : 0;
    if (i > 0) return { type: FRAME.continuation, flags, payload: bytes, on };
    const hasPriority = random.chance(6);
    const prioritized = hasPriority ? Buffer.concat([Buffer.of(0, 0, 0, 0, random.int(256)), bytes]) : bytes;
    return padded(random, {
      type: FRAME.headers,
      flags: flags | (ended ? END_STREAM : 0) | (hasPriority ? PRIORITY : 0),
      payload: prioritized,
      on,
    });
  });
}

/** In some frames, of which some may be empty. */
function dataUnits(random: Random, on: number, body: string, ended: boolean): Unit[] {
  const cuts = Array.from({ length: random.int(4) }, () => random.int(body.length + 1)).sort((a, b) => a - b);
  const texts = [0, ...cuts].map((from, i) => body.slice(from, cuts[i]));
  if (random.chance(4)) texts.push('');
  if (!ended && body === '' && random.chance(2)) return [];
  return texts.map((text, i) => [dataPiece(random, on, text, ended && i === texts.length - 1)]);
}

export function dataPiece(random: Random, on: number, text: string, ended: boolean): Piece {
  return padded(random, { type: FRAME.data, flags: ended ? END_STREAM : 0, payload: Buffer.from(text, 'latin1'), on });
}

function padded(random: Random, piece: Piece): Piece {
  if (!random.chance(4)) return piece;
  const padding = random.int(MOST_PADDING);
  return { ...piece, flags: piece.flags | PADDED, payload: Buffer.concat([Buffer.of(padding), piece.payload, Buffer.alloc(padding)]) };
}
