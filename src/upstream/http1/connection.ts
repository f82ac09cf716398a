/** One connection to an upstream: one request at a time, its answer read strictly, then kept for the next (RFC 9112 §9). */

import type { Socket } from 'node:net';
import type { RouteConfig } from '../../config/schema/routes.ts';
import { BrokerError } from '../../errors.ts';
import type { Upgrade } from '../../message.ts';
import type { BodyMemory } from '../../wire/body-memory.ts';
import type { Timed } from '../../wire/deadlines.ts';
import { Outlet } from '../../wire/outlet.ts';
import { ReadBuffer } from '../../wire/read-buffer.ts';
import type { ParsedResponseHead } from '../../wire/response-head.ts';
import type { WriteMemory } from '../../wire/write-memory.ts';
import { SAFE_METHODS } from '../connections.ts';
import type { Dialer } from '../dial.ts';
import { answerTimeout, connectTimeout, toUpstreamError } from '../failure.ts';
import { AnswerReader } from './answer-reader.ts';
import type { Carrier, Http1Flow } from './flow.ts';
import { outliveRefusedWrites } from './refused-writes.ts';
import { RequestSender } from './request-sender.ts';
import { tearTunnel } from './switching.ts';

/** How long what an upstream said before it stopped listening may take to arrive. Milliseconds. */
const LAST_WORDS_MS = 1_000;

export interface ConnectionOwner {
  readonly timeouts: RouteConfig['timeouts'];
  /** Milliseconds that an idle connection is kept. */
  readonly idleMs: number;
  readonly bodyMemory: BodyMemory;
  /** See `Outlet`. */
  readonly writeMemory: WriteMemory;
  /** The connection may carry another request. */
  released(connection: Http1Connection): void;
  closed(connection: Http1Connection): void;
}

export class Http1Connection implements Carrier, Timed {
  /** Its neighbours among the idle: see `Stacked`. */
  below: Http1Connection | undefined;
  above: Http1Connection | undefined;
  deadlineAt: number;
  readonly openedAt = performance.now();
  readonly #owner: ConnectionOwner;
  readonly #socket: Socket;
  readonly #outlet: Outlet;
  readonly #buffer: ReadBuffer;
  readonly #answer = new AnswerReader();
  #state: 'connecting' | 'open' | 'closed' = 'connecting';
  #outlives = false;
  #tunnels = false;
  #flow: Http1Flow | undefined;
  #sender: RequestSender | undefined;
  /** While nothing of the current request can have reached the upstream. */
  #nothingSent = true;
  /** Milliseconds; what the server says it grants, less a second for the way. */
  #idleMs: number;

  /** Dials; `flow` is sent as soon as the connection is open. Throws where certificate and key do not fit together. */
  constructor(dialer: Dialer, owner: ConnectionOwner, flow: Http1Flow) {
    this.#owner = owner;
    this.#idleMs = owner.idleMs;
    this.#buffer = new ReadBuffer(owner.bodyMemory);
    this.deadlineAt = performance.now() + owner.timeouts.connect;
    const { socket, ready } = dialer.dial({ buffer: () => this.#buffer.current, callback: this.#onRead });
    this.#socket = socket;
    this.#outlet = new Outlet(socket, () => this.#guarded(() => this.#sender?.onRoom()), owner.writeMemory);
    this.#flow = flow;
    flow.carrier = this;
    socket
      .once(ready, () => this.#guarded(() => this.#open()))
      .on('error', (error) => this.#fail(error))
      .on('end', () => this.#guarded(() => this.#onEnd()))
      .on('close', () => this.#fail(new Error('closed')));
  }

  /** Sends a request on a connection that is open and idle. */
  carry(flow: Http1Flow): void {
    this.#flow = flow;
    flow.carrier = this;
    this.#send(flow);
  }

  pauseReading(): void {
    this.deadlineAt = Number.POSITIVE_INFINITY;
    this.#socket.pause();
  }

  resumeReading(): void {
    this.deadlineAt = performance.now() + this.#owner.timeouts.idle;
    this.#socket.resume();
  }

  drop(flow: Http1Flow): void {
    if (flow === this.#flow) this.close();
  }

  close(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#flow = undefined;
    this.#sender?.stop();
    if (this.#answer.isTunnel) tearTunnel(this.#socket);
    else this.#socket.destroy();
    this.#owner.closed(this);
  }

  /** Ends it whatever it carries. */
  cut(): void {
    this.#fail(new Error('given up'));
  }

  onDeadline(): void {
    if (this.#flow === undefined) this.close();
    else this.#fail(this.#state === 'connecting' ? connectTimeout() : answerTimeout());
  }

  /** What nobody foresaw costs the request that is on its way here, and no other. */
  #guarded(step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#fail(error);
    }
  }

  #open(): void {
    if (this.#state === 'closed') return;
    this.#state = 'open';
    this.#send(this.#flow as Http1Flow);
  }

  #send(flow: Http1Flow): void {
    const { request } = flow;
    if (!this.#outlives && (request.body !== undefined || !SAFE_METHODS.has(request.method))) {
      this.#outlives = true;
      outliveRefusedWrites(this.#socket, () => this.#onRefusedWrite());
    }
    const sender = new RequestSender(request, this.#outlet, this);
    this.#sender = sender;
    this.#nothingSent = true;
    sender.start();
    this.#nothingSent = false;
    this.progressed();
  }

  /** The upstream's time begins when it has what it needs to answer. */
  progressed(): void {
    if (this.#answer.isTunnel) return this.#onTunnelProgress();
    if (this.#answer.head !== undefined || this.#nothingSent) return;
    this.deadlineAt = this.#sender?.waitsForBody === true ? Number.POSITIVE_INFINITY : performance.now() + this.#owner.timeouts.response;
  }

  /** Silent is a tunnel in which neither side speaks. */
  #onTunnelProgress(): void {
    this.deadlineAt = performance.now() + this.#owner.timeouts.idle;
    if (this.#sender?.done === true) this.#socket.end();
  }

  broken(cause: Error): void {
    this.#fail(
      cause instanceof BrokerError ? cause : new BrokerError('INTERNAL', 'the body could not be sent', { stage: 'upstream', cause }),
    );
  }

  #onRefusedWrite(): void {
    if (this.#flow === undefined) return;
    // The very first write, refused on the spot: the kernel has taken none of it.
    if (this.#nothingSent) return this.#fail(new Error('refused'));
    this.#sender?.stop();
    this.deadlineAt = Math.min(this.deadlineAt, performance.now() + LAST_WORDS_MS);
  }

  readonly #onRead = (length: number, buffer: Uint8Array): boolean => {
    try {
      this.#take(buffer as Buffer, length);
    } catch (error) {
      this.#fail(error);
    }
    // TLS gives out all that it has deciphered, paused or not, and would write over what waits.
    if (this.#flow?.paused === true && 'encrypted' in this.#socket) this.#buffer.leave();
    return true;
  };

  #take(buffer: Buffer, length: number): void {
    const bytes = buffer.subarray(0, length);
    let at = 0;
    while (at < length && this.#state === 'open') {
      const flow = this.#flow;
      // Nobody has asked: whatever it is, it answers nothing (RFC 9112 §9.2).
      if (flow === undefined) return this.close();
      at = this.#answer.read(bytes, at, flow);
      if (this.#answer.isTunnel && !this.#tunnels) this.#openTunnel(flow);
      if (this.#flow === flow && this.#answer.done) this.#finish(flow, at === length);
    }
    if (this.#flow !== undefined && this.#answer.head !== undefined)
      this.deadlineAt = this.#flow.paused ? Number.POSITIVE_INFINITY : performance.now() + this.#owner.timeouts.idle;
    if (this.#answer.head !== undefined && length === buffer.length) this.#buffer.enlarge();
  }

  #openTunnel(flow: Http1Flow): void {
    this.#tunnels = true;
    if (flow.over) return;
    this.#socket.allowHalfOpen = true;
    this.#sender?.tunnel(flow.request.upgrade as Upgrade);
  }

  #finish(flow: Http1Flow, nothingFollows: boolean): void {
    const head = this.#answer.head as ParsedResponseHead;
    const { trailers } = this.#answer;
    // What is still being written is the caller's memory, which is about to be written over: then the connection goes, and all of it.
    const isSent = this.#sender?.done === true && !this.#outlet.full;
    const reusable = nothingFollows && head.keepAlive && isSent && head.framing !== 'close';
    if (flow.paused) this.#buffer.leave();
    this.#buffer.shrink();
    if (reusable) this.#rest(flow, head);
    else this.close();
    flow.end(trailers);
  }

  #rest(flow: Http1Flow, { keepAliveSeconds }: ParsedResponseHead): void {
    this.#flow = undefined;
    this.#sender = undefined;
    this.#answer.begin();
    if (flow.paused) this.#socket.resume();
    if (keepAliveSeconds !== undefined) this.#idleMs = Math.min(this.#owner.idleMs, Math.max(0, keepAliveSeconds - 1) * 1_000);
    this.deadlineAt = performance.now() + this.#idleMs;
    this.#owner.released(this);
  }

  #onEnd(): void {
    const flow = this.#flow;
    if (this.#answer.isTunnel) flow?.end([]);
    else if (flow !== undefined && this.#answer.endsWithConnection) this.#finish(flow, true);
    else this.#fail(new Error('ended'));
  }

  #fail(error: unknown): void {
    if (this.#state === 'closed') return;
    const flow = this.#flow;
    const nothingSent = this.#nothingSent;
    this.close();
    flow?.fail(toUpstreamError(error), nothingSent);
  }
}
