/** One HTTP/2 connection to an upstream (RFC 9113): many requests at once, as many as the upstream takes. */

import { type ClientHttp2Session, connect } from 'node:http2';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import type { RouteConfig } from '../../config/schema/routes.ts';
import type { BrokerError } from '../../errors.ts';
import type { Timed } from '../../wire/deadlines.ts';
import { holdUntilClosed, isCongested, keepFromClosing, NO_SESSION_MEMORY_LIMIT, Resets } from '../../wire/http2-quirks.ts';
import { WireError } from '../../wire/wire-error.ts';
import { MAX_HEAD_BYTES } from '../connections.ts';
import type { Dialer } from '../dial.ts';
import { answerTimeout, connectTimeout } from '../failure.ts';
import type { Http2Flow, StreamOwner } from './flow.ts';

/** Bytes of an answer that may be on their way before a slow caller has taken any. */
const WINDOW_BYTES = 256 * 1024;
/** More do not fit: each counts 32 bytes more than it has (RFC 9113 §6.5.2). */
const MAX_HEAD_FIELDS = MAX_HEAD_BYTES / 32;
/** As nghttp2 counts it: the longest head and the most fields that a listener can be told to take, and ours. Beyond it Node ends the connection. */
const MOST_SENT_HEAD = 2 * 1024 ** 2;

export interface SessionOwner extends Pick<StreamOwner, 'timeouts' | 'over'> {
  /** Milliseconds that an idle connection is kept. */
  readonly idleMs: number;
  /** Another request fits. */
  roomIn(): void;
  /** @param cause why it never opened; `undefined` once it has been open */
  closed(session: Http2Session, cause: unknown): void;
}

export class Http2Session implements StreamOwner, Timed {
  deadlineAt: number;
  /** From then on it is used: what it took to connect, however long, is no part of its age. */
  openedAt = Number.POSITIVE_INFINITY;
  readonly timeouts: RouteConfig['timeouts'];
  readonly #owner: SessionOwner;
  readonly #scheme: 'https' | 'http';
  readonly #flows = new Set<Http2Flow>();
  #state: 'connecting' | 'open' | 'closed' = 'connecting';
  #session: ClientHttp2Session | undefined;
  #resets: Resets | undefined;
  #drop: () => void;
  #retired = false;
  #used = false;

  /** Dials. Throws where certificate and key do not fit together. */
  constructor(dialer: Dialer, owner: SessionOwner, origin: string) {
    this.#owner = owner;
    this.timeouts = owner.timeouts;
    this.#scheme = origin.startsWith('https:') ? 'https' : 'http';
    this.deadlineAt = performance.now() + owner.timeouts.connect;
    this.#drop = dialer.open({
      opened: (socket) => {
        if (this.#state === 'closed') return void socket.destroy();
        if (this.#scheme === 'https' && (socket as TLSSocket).alpnProtocol !== 'h2')
          return this.#close(new WireError('malformed', 'the upstream does not speak HTTP/2'));
        this.#begin(origin, socket);
      },
      failed: (error) => this.#close(error),
    });
  }

  get connecting(): boolean {
    return this.#state === 'connecting';
  }

  /** No request has been on it. */
  get fresh(): boolean {
    return !this.#used;
  }

  /** Kept for the next request. */
  get idle(): boolean {
    return this.#state === 'open' && this.#flows.size === 0;
  }

  get takesMore(): boolean {
    const most = this.#session?.remoteSettings.maxConcurrentStreams ?? Number.POSITIVE_INFINITY;
    return this.#state === 'open' && !this.#retired && this.#flows.size < most;
  }

  carry(flow: Http2Flow): void {
    const [session, resets] = [this.#session as ClientHttp2Session, this.#resets as Resets];
    this.#used = true;
    this.#flows.add(flow);
    this.deadlineAt = Number.POSITIVE_INFINITY;
    const { body } = flow.request;
    flow.start(this, this.#scheme, resets, (head) =>
      session.request(head, { endStream: body === undefined, waitForTrailers: body !== undefined }),
    );
  }

  /** Takes nothing new, and closes once what runs has ended; where it is still being made, as soon as it is. */
  retire(): void {
    this.#retired = true;
    if (this.idle) this.#close(undefined);
  }

  /** Ends it whatever it carries. */
  cut(): void {
    this.#close(new Error('given up'));
  }

  /** A connection on which nothing was heard in time may be dead: it is used for nothing new. */
  late(): BrokerError {
    this.#retired = true;
    return answerTimeout();
  }

  over(flow: Http2Flow): void {
    this.#flows.delete(flow);
    this.#owner.over(flow);
    if (this.#flows.size === 0) this.deadlineAt = performance.now() + this.#owner.idleMs;
    if (!this.#retired) this.#owner.roomIn();
    else if (this.#flows.size === 0) this.#close(undefined);
  }

  onDeadline(): void {
    this.#close(this.connecting ? connectTimeout() : undefined);
  }

  #begin(origin: string, socket: Socket): void {
    const settings = { enablePush: false, initialWindowSize: WINDOW_BYTES, maxHeaderListSize: MAX_HEAD_BYTES };
    // Whether a field may come twice is for the upstream to say; Node would throw. Its types do not know the option.
    const options = {
      createConnection: () => socket,
      settings,
      maxSessionMemory: NO_SESSION_MEMORY_LIMIT,
      maxHeaderListPairs: MAX_HEAD_FIELDS,
      maxSendHeaderBlockLength: MOST_SENT_HEAD,
      strictSingleValueFields: false,
    };
    const session = connect(origin, options);
    holdUntilClosed(session);
    keepFromClosing(session);
    this.#session = session;
    this.#resets = new Resets(socket, this.timeouts.idle);
    this.#drop = () => {
      this.#resets?.clear();
      if (!isCongested(socket)) session.destroy();
      socket.destroy();
    };
    session
      .on('remoteSettings', () => this.#onSettings())
      .on('goaway', () => this.retire())
      .on('error', (error) => this.#close(error))
      .on('close', () => this.#close(new Error('closed')));
  }

  /** The first thing a server says, before which nobody knows how much it takes; later it may take more. */
  #onSettings(): void {
    if (this.#state === 'closed') return;
    if (this.#state === 'connecting') {
      this.openedAt = performance.now();
      this.deadlineAt = this.openedAt + this.#owner.idleMs;
    }
    this.#state = 'open';
    if (this.#retired && this.idle) this.#close(undefined);
    else this.#owner.roomIn();
  }

  #close(cause: unknown): void {
    if (this.#state === 'closed') return;
    const wasConnecting = this.connecting;
    this.#state = 'closed';
    for (const flow of this.#flows) flow.refuse(cause ?? new Error('closed'), false);
    this.#drop();
    this.#owner.closed(this, wasConnecting ? (cause ?? new Error('closed')) : undefined);
  }
}
