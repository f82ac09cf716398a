/** A caller that speaks HTTP/2, with `node:http2` or with frames written by hand. */

import { type ClientHttp2Session, type ClientHttp2Stream, connect, type SecureClientSessionOptions } from 'node:http2';
import { code, FRAME, frame, literalFields } from './http2-frames.ts';
import { openRaw, type RawConnection, type RawOptions } from './raw-client.ts';

export interface Http2Answer {
  readonly status: number;
  /** Name, value, name, value, … without pseudo-fields. */
  readonly fields: readonly string[];
  readonly body: Buffer;
  readonly trailers: readonly string[];
  /** Statuses of interim answers. */
  readonly interims: readonly number[];
  /** Why the stream was reset; 0 where it ended. */
  readonly reset: number;
  /** The stream was ended, and not reset, were it without an error. */
  readonly whole: boolean;
  field(name: string): string | undefined;
}

export interface Http2Ask {
  readonly path?: string;
  readonly method?: string;
  /** After the pseudo-fields: name, value, name, value, … */
  readonly fields?: readonly string[];
  readonly authority?: string;
  readonly body?: string | Uint8Array;
  readonly trailers?: Record<string, string>;
}

export class Http2Caller {
  readonly session: ClientHttp2Session;
  readonly #url: URL;
  readonly closed: Promise<void>;
  goaway: number | undefined;

  constructor(url: string, options: SecureClientSessionOptions = {}) {
    this.#url = new URL(url);
    // What is written at once counts as memory of the session, in MB.
    const wide = { servername: 'localhost', strictSingleValueFields: false, maxSessionMemory: 100 };
    this.session = connect(url, { ...wide, ...options } as SecureClientSessionOptions);
    this.session.on('error', () => undefined).on('goaway', (value) => (this.goaway ??= value));
    this.closed = new Promise((resolve) => this.session.on('close', resolve));
  }

  /** Begins a stream; the body is up to whoever asks. */
  begin({ path = '/api/x', method = 'GET', fields = [], authority, body, trailers }: Http2Ask = {}, open = false): ClientHttp2Stream {
    const scheme = this.#url.protocol.slice(0, -1);
    const head = [':method', method, ':scheme', scheme, ':authority', authority ?? this.#url.host, ':path', path, ...fields];
    const stream = this.session.request(head, { endStream: !open && body === undefined, waitForTrailers: trailers !== undefined });
    stream.on('error', () => undefined);
    if (trailers !== undefined) stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    return stream;
  }

  ask(what: Http2Ask = {}): Promise<Http2Answer> {
    const stream = this.begin(what);
    const answered = answerOf(stream);
    if (what.body !== undefined) stream.end(what.body);
    return answered;
  }

  close(): void {
    this.session.destroy();
  }
}

/** Resolves when the stream is closed, however. */
export function answerOf(stream: ClientHttp2Stream): Promise<Http2Answer> {
  const chunks: Buffer[] = [];
  const interims: number[] = [];
  let status = 0;
  let fields: string[] = [];
  let trailers: string[] = [];
  let whole = false;
  const push = stream.push.bind(stream);
  // A stream that was reset without an error ends too, but is closed by then.
  stream.push = (chunk: unknown, encoding?: BufferEncoding) => {
    if (chunk === null && !stream.closed) whole = true;
    return push(chunk, encoding);
  };
  return new Promise((resolve) => {
    stream
      .on('headers', (head) => interims.push(Number(head[':status'])))
      .on('response', (head, _flags, raw: string[]) => {
        status = Number(head[':status']);
        fields = raw.filter((_, i) => !raw[i - (i % 2)]?.startsWith(':'));
      })
      .on('trailers', (_head, _flags, raw: string[]) => {
        trailers = raw;
      })
      .on('data', (bytes: Buffer) => chunks.push(bytes))
      .on('close', () => {
        const field = (name: string) => fields[fields.findIndex((text, i) => i % 2 === 0 && text === name) + 1];
        const has = (name: string) => fields.some((text, i) => i % 2 === 0 && text === name);
        resolve({
          status,
          fields,
          body: Buffer.concat(chunks),
          trailers,
          interims,
          reset: stream.rstCode,
          whole,
          field: (name) => (has(name) ? field(name) : undefined),
        });
      });
  });
}

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');
/** SETTINGS_MAX_FRAME_SIZE, where nobody says otherwise. */
const MAX_PAYLOAD = 16 * 1024;
const END_STREAM = 1;
const END_HEADERS = 4;

export interface Frame {
  readonly type: number;
  readonly flags: number;
  readonly stream: number;
  readonly payload: Buffer;
}

/** Speaks in frames. */
export class FrameCaller {
  readonly raw: RawConnection;

  private constructor(raw: RawConnection) {
    this.raw = raw;
  }

  /** With preface and settings sent. */
  static async open(target: string, options: RawOptions = {}, settings: Uint8Array = Buffer.alloc(0)): Promise<FrameCaller> {
    const raw = await openRaw(target, options);
    raw.write(Buffer.concat([PREFACE, frame(FRAME.settings, 0, 0, settings)]));
    return new FrameCaller(raw);
  }

  get frames(): Frame[] {
    return parseFrames(Buffer.from(this.raw.text(), 'latin1'));
  }

  /** The settings of the other side are taken. */
  async settle(): Promise<void> {
    await this.waitFor(({ type, flags }) => type === FRAME.settings && flags === 0);
    this.raw.write(frame(FRAME.settings, 1, 0));
  }

  async waitFor(fits: (each: Frame) => boolean): Promise<Frame> {
    await this.raw.waitFor((text) => parseFrames(Buffer.from(text, 'latin1')).some(fits));
    return this.frames.find(fits) as Frame;
  }

  write(...frames: readonly Uint8Array[]): void {
    this.raw.write(Buffer.concat(frames));
  }
}

export function parseFrames(bytes: Buffer): Frame[] {
  const frames: Frame[] = [];
  let at = 0;
  while (bytes.length >= at + 9) {
    const next = at + 9 + bytes.readUIntBE(at, 3);
    if (bytes.length < next) break;
    frames.push({
      type: bytes.readUInt8(at + 3),
      flags: bytes.readUInt8(at + 4),
      stream: bytes.readUInt32BE(at + 5),
      payload: bytes.subarray(at + 9, next),
    });
    at = next;
  }
  return frames;
}

/** A request's head, its fields as literals; in as many frames as it takes. */
export function request(stream: number, fields: readonly string[], { ended = true } = {}): Buffer {
  const block = literalFields(fields);
  const pieces: Buffer[] = [];
  for (let at = 0; at < block.length; at += MAX_PAYLOAD) {
    const isLast = at + MAX_PAYLOAD >= block.length;
    const flags = (isLast ? END_HEADERS : 0) | (at === 0 && ended ? END_STREAM : 0);
    pieces.push(frame(at === 0 ? FRAME.headers : FRAME.continuation, flags, stream, block.subarray(at, at + MAX_PAYLOAD)));
  }
  return Buffer.concat(pieces);
}

/** The pseudo-fields of an ordinary request. */
export function plain(path = '/api/x', method = 'GET', authority = 'localhost'): string[] {
  return [':method', method, ':scheme', 'http', ':authority', authority, ':path', path];
}

export function data(stream: number, bytes: string | Uint8Array, ended = false): Buffer {
  return frame(FRAME.data, ended ? END_STREAM : 0, stream, Buffer.from(bytes as string));
}

export function reset(stream: number, value: number): Buffer {
  return frame(FRAME.reset, 0, stream, code(value));
}

/** The first 4 bytes after the last stream of a GOAWAY, or the payload of a RST_STREAM. */
export function codeOf({ type, payload }: Frame): number {
  return payload.readUInt32BE(type === FRAME.goaway ? 4 : 0);
}
