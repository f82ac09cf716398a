/** One HTTP/2 connection of a caller (RFC 9113): many requests at once, each a stream; `node:http2` reads and writes the frames. */

import { constants, performServerHandshake, type ServerHttp2Session, type ServerHttp2Stream, type ServerSessionOptions } from 'node:http2';
import type { Socket } from 'node:net';
import type { Fields, Peer } from '../../message.ts';
import { holdUntilClosed, isCongested, keepFromClosing, NO_SESSION_MEMORY_LIMIT, Resets } from '../../wire/http2-quirks.ts';
import type { Connection, ConnectionHost } from '../connection-host.ts';
import { Allowance } from './allowance.ts';
import { CallerStream } from './caller-stream.ts';

/** How long a connection that has been told to close may stay open for the other side. */
const LINGER_MS = 5_000;

/** What one connection may do, at once and each second: a caller that is in its senses stays far below. */
const MOST_GIVEN_UP = { atOnce: 1_000, perSecond: 100 };
const MOST_PINGS = { atOnce: 10_000, perSecond: 1_000 };
const MOST_SETTINGS = { atOnce: 100, perSecond: 10 };

/** nghttp2 takes 12 bytes more for each field: those 64 KiB that an upstream may say in fields of 5 bytes. Beyond it Node ends the connection. */
const MOST_SENT_HEAD = 256 * 1024;

/** `open`: takes requests. `ending`: told to close, finishes what runs. */
type State = 'open' | 'ending' | 'closed';

export class CallerSession implements Connection {
  deadlineAt: number;
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #peer: Peer;
  readonly #session: ServerHttp2Session;
  readonly #close: () => void;
  readonly #streams = new Set<CallerStream>();
  readonly #resets: Resets;
  readonly #givenUp = allowance(MOST_GIVEN_UP);
  #state: State = 'open';
  /** The caller has taken our settings, and with them our limits. */
  #settled = false;
  /** The caller has said GOAWAY. */
  #asksNoMore = false;

  constructor(socket: Socket, host: ConnectionHost) {
    this.#socket = socket;
    this.#host = host;
    this.#peer = host.peerOf(socket);
    this.#resets = new Resets(socket, host.limits.idleTimeout);
    this.deadlineAt = performance.now() + host.limits.headTimeout;
    const pings = allowance(MOST_PINGS);
    const settings = allowance(MOST_SETTINGS);
    this.#session = performServerHandshake(socket, optionsOf(host.limits))
      .on('stream', (stream, _headers, flags, raw: string[]) => this.#onStream(stream, flags, raw))
      .on('ping', () => this.#expect(pings.take(performance.now())))
      .on('remoteSettings', () => this.#expect(settings.take(performance.now())))
      .on('localSettings', () => this.#onSettled())
      .on('goaway', () => this.#onGoaway())
      .on('error', () => undefined);
    holdUntilClosed(this.#session);
    this.#close = keepFromClosing(this.#session);
    // A caller that ends its side counts as gone, as in HTTP/1.1.
    socket
      .on('end', () => this.#breakOff())
      .on('error', () => undefined)
      .on('close', () => this.#onClose());
  }

  get inFlight(): number {
    return this.#streams.size;
  }

  get idle(): boolean {
    return this.#state === 'open';
  }

  /**
   * What runs is finished; nothing else is taken, and the caller is told where that begins (RFC 9113 §6.8). Not a moment earlier: of what comes behind
   * any GOAWAY, also one that names no last stream, nghttp2 drops all without a word.
   */
  end(): void {
    if (this.#state !== 'open') return;
    this.#state = 'ending';
    this.#close();
    this.#rest();
  }

  cut(): void {
    for (const stream of this.#streams) stream.sendAway();
    this.#breakOff();
  }

  #breakOff(): void {
    if (!isCongested(this.#socket)) this.#session.destroy();
    this.#socket.destroy();
  }

  onDeadline(): void {
    if (this.#state === 'ending') this.#breakOff();
    else if (this.#settled || this.#streams.size === 0) this.end();
    else this.#dismiss(constants.NGHTTP2_SETTINGS_TIMEOUT);
  }

  /** What nobody foresaw costs this stream, and no other. */
  #onStream(stream: ServerHttp2Stream, flags: number, raw: Fields): void {
    try {
      this.#serve(stream, flags, raw);
    } catch (cause) {
      this.#host.fault(cause);
      stream.destroy();
    }
  }

  #serve(stream: ServerHttp2Stream, flags: number, raw: Fields): void {
    const request = new CallerStream(stream, this.#host, this.#resets, (each, givenUp) => this.#onStreamClosed(each, givenUp));
    // Its caller may have given it up before anybody has looked at it.
    if (stream.destroyed || stream.closed) return this.#onGivenUp();
    this.#streams.add(request);
    this.#host.deadlines.add(request);
    if (this.#settled) this.deadlineAt = Number.POSITIVE_INFINITY;
    request.begin(raw, (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0, this.#peer);
  }

  #onStreamClosed(request: CallerStream, givenUp: boolean): void {
    if (!this.#streams.delete(request)) return;
    this.#host.deadlines.delete(request);
    if (this.#streams.size === 0) this.#rest();
    if (givenUp) this.#onGivenUp();
    this.#host.rested();
  }

  /** What runs is finished first: nobody would hear of an error of the connection once it is told to close. */
  #onGoaway(): void {
    this.#asksNoMore = true;
    this.#rest();
  }

  #onSettled(): void {
    this.#settled = true;
    if (this.#streams.size > 0) this.deadlineAt = Number.POSITIVE_INFINITY;
  }

  /** Each costs a request to the upstream (CVE-2023-44487, CVE-2025-8671). Whoever does it for ever is told so, and what else runs is finished. */
  #onGivenUp(): void {
    if (this.#givenUp.take(performance.now()) || this.#state !== 'open') return;
    if (!this.#session.destroyed) this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    this.end();
  }

  /** Frames that cost us an answer and the caller nothing (CVE-2019-9512, CVE-2019-9515). */
  #expect(isAllowed: boolean): void {
    if (!isAllowed) this.#dismiss(constants.NGHTTP2_ENHANCE_YOUR_CALM);
  }

  /** Tells why, and finishes nothing. */
  #dismiss(code: number): void {
    if (isCongested(this.#socket)) return void this.#socket.destroy();
    this.#session.destroy(new Error('dismissed'), code);
    this.deadlineAt = performance.now() + LINGER_MS;
    this.#state = 'ending';
  }

  #rest(): void {
    if (this.#streams.size > 0) return;
    if (this.#asksNoMore) this.end();
    this.deadlineAt = performance.now() + (this.#state === 'open' ? this.#host.limits.idleTimeout : LINGER_MS);
  }

  #onClose(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#resets.clear();
    this.#session.destroy();
    this.#host.closed(this);
  }
}

function allowance({ atOnce, perSecond }: { atOnce: number; perSecond: number }): Allowance {
  return new Allowance(atOnce, perSecond, performance.now());
}

/** Our limits are judged on what comes, so that they are answered with a reason; beyond twice of them Node resets the stream. */
function optionsOf({
  maxStreams,
  maxHeader,
  maxFields,
  maxTarget,
}: ConnectionHost['limits']): ServerSessionOptions & { strictSingleValueFields: false } {
  return {
    settings: { maxConcurrentStreams: maxStreams, maxHeaderListSize: 2 * (maxHeader + maxTarget), enableConnectProtocol: false },
    maxHeaderListPairs: 2 * maxFields + 8,
    maxSendHeaderBlockLength: MOST_SENT_HEAD,
    // Fields that the upstream sends twice pass; Node would throw.
    strictSingleValueFields: false,
    maxSessionMemory: NO_SESSION_MEMORY_LIMIT,
    streamResetBurst: 10 * MOST_GIVEN_UP.atOnce,
    streamResetRate: 10 * MOST_GIVEN_UP.perSecond,
  };
}
