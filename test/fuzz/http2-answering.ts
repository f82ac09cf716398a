/** An upstream of HTTP/2 that says to some requests at once what a case has for them, and keeps what it said. */

import type { Socket } from 'node:net';
import type { Collecting } from '../helpers/garbage.ts';
import { type Frame, parseFrames } from '../helpers/http2-client.ts';
import { FRAME, type FrameServer, startFrameServer } from '../helpers/http2-frames.ts';
import { type AnswerCase, OPENING, TAG } from './http2-answer-cases.ts';
import { render } from './http2-answer-frames.ts';

/** A request as it arrived: its stream, and all that its connection is told in this case. */
interface Delivery {
  readonly stream: number;
  readonly said: readonly Buffer[];
}

/** What the frames of a stream say, whatever stands in their fields. */
export interface Told {
  readonly body: string;
  readonly ended: boolean;
}

export class AnsweringUpstream {
  readonly #collecting: Collecting;
  readonly #said = new WeakMap<Socket, Buffer[]>();
  #server: FrameServer | undefined;
  #case: AnswerCase | undefined;
  #opening = OPENING;
  #arrived = new Map<Socket, Map<number, number>>();
  #deliveries = new Map<string, Delivery[]>();
  /** Tags of requests that nobody has asked now. */
  readonly strays: string[] = [];

  constructor(collecting: Collecting) {
    this.#collecting = collecting;
  }

  async start(): Promise<string> {
    this.#server = await startFrameServer(
      (stream, head, socket) => {
        this.#take(stream, head, socket);
        return [];
      },
      (socket) => this.#open(socket),
    );
    return this.#server.url;
  }

  expect(one: AnswerCase): void {
    this.#case = one;
    this.#opening = one.opening ?? OPENING;
    this.#arrived = new Map();
    this.#deliveries = new Map();
    // What was said before was well-formed, or its connection would have been ended.
    for (const socket of this.#server?.sockets ?? []) this.#said.get(socket)?.splice(0);
  }

  /** What was said to it, each time. */
  told(tag: string): Told[] {
    return (this.#deliveries.get(tag) ?? []).map(({ stream, said }) => toldOf(framesOf(Buffer.concat(said)), stream));
  }

  /** All that was said on connections that carried requests of this case. */
  said(): string[] {
    return [...new Set([...this.#deliveries.values()].flat().map(({ said }) => said))].map((said) =>
      Buffer.concat(said).toString('latin1'),
    );
  }

  /** Ends its connections, and waits until the broker has. */
  async hangUp(): Promise<void> {
    const open = [...(this.#server?.sockets ?? [])];
    await Promise.all(open.map((socket) => new Promise((resolve) => socket.end().once('close', resolve))));
    // What the broker does when it hears of it.
    await new Promise(setImmediate);
  }

  async close(): Promise<void> {
    await this.#server?.close();
  }

  #open(socket: Socket): Buffer {
    const said: Buffer[] = [];
    this.#said.set(socket, said);
    const write = socket.write.bind(socket);
    socket.write = (bytes: Uint8Array | string) => {
      said.push(Buffer.from(bytes as Uint8Array));
      return write(bytes);
    };
    return this.#opening;
  }

  #take(stream: number, head: Buffer, socket: Socket): void {
    const tag = [...head.toString('latin1').matchAll(TAG)][0]?.[0] ?? '';
    const at = this.#case?.asked.findIndex((each) => each.tag === tag) ?? -1;
    if (at === -1) return void this.strays.push(tag);
    const before = this.#deliveries.get(tag) ?? [];
    this.#deliveries.set(tag, [...before, { stream, said: this.#said.get(socket) ?? [] }]);
    // Sent once more: what is said is the same.
    if (before.length > 0) return this.#say(socket, new Map([[at, stream]]), false);
    const here = this.#arrived.get(socket) ?? new Map<number, number>();
    this.#arrived.set(socket, here.set(at, stream));
    if (this.#deliveries.size < (this.#case?.asked.length ?? 0)) return;
    for (const [each, streams] of this.#arrived) this.#say(each, streams, this.#case?.isCut === true);
  }

  #say(socket: Socket, streams: ReadonlyMap<number, number>, isCut: boolean): void {
    const { units, mutate } = this.#case as AnswerCase;
    const bytes = mutate(render(units, streams));
    const half = isCut ? bytes.length >> 1 : bytes.length;
    if (!socket.writable) return;
    socket.write(bytes.subarray(0, half));
    if (isCut) setImmediate(() => socket.writable && socket.write(bytes.subarray(half)));
    this.#collecting.look();
  }
}

const [END_STREAM, PADDED] = [1, 8];
const HEAD_BYTES = 9;

/** With the last, of which the end may never have been said: what is there of its body counts. */
function framesOf(said: Buffer): Frame[] {
  const frames = parseFrames(said);
  const rest = said.subarray(frames.reduce((at, { payload }) => at + HEAD_BYTES + payload.length, 0));
  if (rest.length <= HEAD_BYTES) return frames;
  const missing = HEAD_BYTES + rest.readUIntBE(0, 3) - rest.length;
  const flags = rest.readUInt8(4);
  const padding = (flags & PADDED) === 0 ? 0 : rest.readUInt8(HEAD_BYTES);
  const end = Math.max(HEAD_BYTES, rest.length - Math.max(0, padding - missing));
  const payload = rest.subarray(HEAD_BYTES + ((flags & PADDED) === 0 ? 0 : 1), end);
  return [...frames, { type: rest.readUInt8(3), flags: 0, stream: rest.readUInt32BE(5), payload }];
}

function toldOf(frames: readonly Frame[], stream: number): Told {
  let body = '';
  let ended = false;
  for (const { type, flags, stream: id, payload } of frames) {
    // The first bit of a stream's number says nothing.
    if ((id & 0x7fffffff) !== stream || ended) continue;
    if (type === FRAME.reset) break;
    if (type !== FRAME.data && type !== FRAME.headers) continue;
    if (type === FRAME.data) body += withoutPadding(payload, (flags & PADDED) !== 0).toString('latin1');
    ended = (flags & END_STREAM) !== 0;
  }
  return { body, ended };
}

function withoutPadding(payload: Buffer, isPadded: boolean): Buffer {
  return isPadded ? payload.subarray(1, payload.length - (payload[0] ?? 0)) : payload;
}
