/** One connection of a caller: requests read strictly, one after the other, each answered before the next is looked at (RFC 9112 §9.3). */

import type { Socket } from 'node:net';
import { type BrokerError, toBrokerError } from '../../errors.ts';
import type { Peer } from '../../message.ts';
import { Inlet } from '../../wire/inlet.ts';
import { Outlet } from '../../wire/outlet.ts';
import type { ParsedRequestHead } from '../../wire/request-head.ts';
import { WireError } from '../../wire/wire-error.ts';
import { HttpRequest } from '../caller-request.ts';
import type { Connection, ConnectionHost } from '../connection-host.ts';
import { bodyEndedEarly, bodyStopped, headTooSlow, refusalOf } from '../refusal.ts';
import type { CheckedHead } from '../request-head.ts';
import { type BodySource, CallerBody } from './caller-body.ts';
import { CallerReply, type ReplyTarget } from './caller-reply.ts';
import { CallerTunnel, type TunnelSource } from './caller-tunnel.ts';
import { HeadReader } from './head-reader.ts';

/** How much is read, and for how long, of what nobody wants, before the connection is dropped (RFC 9112 §9.6). */
const LINGER_BYTES = 32 * 1024 ** 2;
const LINGER_MS = 5_000;

const NO_HEAD: ParsedRequestHead = { method: '', target: '', version: '1.1', fields: [] };

/**
 * `idle`: the next head is awaited. `busy`: a request is being answered. `tunnel`: the answer was a 101, and either side ends by itself.
 * `lingering`: the last answer is out, what still comes is read past.
 */
type State = 'idle' | 'busy' | 'tunnel' | 'lingering' | 'closed';

export class CallerConnection implements Connection, BodySource, TunnelSource, ReplyTarget {
  deadlineAt: number;
  readonly outlet: Outlet;
  readonly #socket: Socket;
  readonly #host: ConnectionHost;
  readonly #inlet: Inlet;
  readonly #heads: HeadReader;
  #peer: Peer | undefined;
  #state: State = 'idle';
  #request: HttpRequest | undefined;
  #body: CallerBody | undefined;
  #tunnel: CallerTunnel | undefined;
  #reply: CallerReply | undefined;
  /** Nothing that follows on the connection is looked at. */
  #closing = false;
  #awaitsContinue = false;
  #lingerBytes = LINGER_BYTES;

  constructor(accepted: Socket, host: ConnectionHost) {
    this.#inlet = new Inlet(accepted, (bytes, at) => this.#take(bytes, at), host.readMemory);
    const { socket } = this.#inlet;
    this.#socket = socket;
    this.#host = host;
    this.#heads = new HeadReader(host.limits);
    this.outlet = new Outlet(socket, () => this.#onRoom());
    this.deadlineAt = performance.now() + host.limits.headTimeout;
    socket
      .on('end', () => this.#onEnd())
      .on('error', () => undefined)
      .on('close', () => this.#leave());
  }

  /** An answer is owed, or on its way. */
  get inFlight(): number {
    return Number(this.#state === 'busy' || this.#state === 'tunnel' || (this.#state === 'lingering' && this.#socket.writableLength > 0));
  }

  get idle(): boolean {
    return this.#state === 'idle';
  }

  get closing(): boolean {
    // What was said in a protocol that nobody agreed to is no request.
    return this.#closing || this.#host.draining || (this.#tunnel !== undefined && this.#inlet.hasRest);
  }

  /** Closes it once what was written is out. */
  end(): void {
    if (this.#state === 'idle') this.#linger();
  }

  onDeadline(): void {
    if (this.#state === 'idle' && this.#heads.begun) this.#refuse(headTooSlow(), NO_HEAD);
    else if (this.#state === 'busy' && this.#body?.flowing === true && !this.#body.discarded && !this.outlet.full)
      this.#failBody(bodyStopped());
    else this.breakOff(this.#state === 'tunnel');
  }

  openTunnel(): void {
    this.#state = 'tunnel';
    this.#inlet.lend(true);
    this.resumeReading();
  }

  readBody(): void {
    if (this.#awaitsContinue && this.#body?.discarded === false && !this.#inlet.hasRest && this.#reply?.started === false) {
      this.outlet.text('HTTP/1.1 100 Continue\r\n\r\n');
    }
    this.#awaitsContinue = false;
    this.resumeReading();
  }

  /** While an answer is still owed, its own end cuts the tunnel too. */
  discardTunnel(): void {
    if (this.#reply?.over === true) this.breakOff(true);
  }

  pauseReading(): void {
    this.deadlineAt = Number.POSITIVE_INFINITY;
    this.#inlet.pause();
  }

  resumeReading(): void {
    if (this.#body?.flowing === true && !this.#body.discarded) this.deadlineAt = performance.now() + this.#host.limits.idleTimeout;
    this.#inlet.resume();
  }

  lasting(bytes: Buffer): Buffer {
    return this.#inlet.lasting(bytes);
  }

  progressed(): void {
    // A caller that takes nothing any more holds the upstream's answer up, and our memory.
    if (this.outlet.full) this.deadlineAt = performance.now() + this.#host.limits.idleTimeout;
  }

  replied(close: boolean): void {
    if (this.#state === 'tunnel') return this.#tunnel?.over === true ? this.#linger() : void this.#socket.end();
    if (close) this.#closing = true;
    const body = this.#body;
    if (body === undefined || body.over) return this.#done();
    const closing = this.#closing;
    this.deadlineAt = performance.now() + LINGER_MS;
    // May find the end of the body, and begin the next request; unless the answer says that the connection closes.
    body.discard();
    if (closing) this.#done();
  }

  breakOff(reset: boolean): void {
    if (reset && !('encrypted' in this.#socket)) this.#socket.resetAndDestroy();
    this.#leave();
  }

  #take(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'idle':
        // Who asks on and on without taking an answer would fill our memory.
        return this.outlet.full ? at : this.#readHead(bytes, at);
      case 'busy':
        return this.#body?.flowing === true ? this.#readBody(this.#body, bytes, at) : at;
      case 'tunnel':
        this.#tunnel?.take(this.#inlet.lasting(bytes.subarray(at)));
        return bytes.length;
      case 'lingering':
      case 'closed':
        this.#lingerBytes -= bytes.length - at;
        if (this.#lingerBytes < 0) this.#leave();
        return bytes.length;
    }
  }

  #readHead(bytes: Buffer, at: number): number {
    const { begun } = this.#heads;
    try {
      const head = this.#heads.read(bytes, at);
      if (head !== undefined) {
        this.#begin(head);
        return this.#heads.next;
      }
      if (!begun) this.deadlineAt = Math.min(this.deadlineAt, performance.now() + this.#host.limits.headTimeout);
    } catch (error) {
      this.#refuse(toBrokerError(error, 'listener'), NO_HEAD);
    }
    return bytes.length;
  }

  #begin(head: ParsedRequestHead): void {
    this.#state = 'busy';
    this.deadlineAt = Number.POSITIVE_INFINITY;
    let checked: CheckedHead;
    try {
      checked = this.#host.check(head);
    } catch (error) {
      return this.#refuse(toBrokerError(error, 'listener'), head);
    }
    const { target, authority, length, chunked, host, persistent, awaitsContinue, upgrade } = checked;
    if (!persistent) this.#closing = true;
    const body = chunked || (length ?? 0) > 0 ? new CallerBody(length, this) : undefined;
    this.#body = body;
    if (body !== undefined) this.#inlet.lend(true);
    this.#tunnel = upgrade === undefined ? undefined : new CallerTunnel(upgrade, this);
    this.#lingerBytes = LINGER_BYTES;
    this.#awaitsContinue = awaitsContinue;
    this.#peer ??= this.#host.peerOf(this.#socket);
    const { version, method, fields } = head;
    const { id, listener } = this.#host.identify(head);
    const peer = this.#peer;
    this.#request = new HttpRequest({ id, listener, version, method, target, host, authority, fields, body, upgrade: this.#tunnel, peer });
    this.#reply = new CallerReply(this, head, awaitsContinue);
    this.#host.handle(this.#request, this.#reply);
  }

  /** What follows on the connection could mean anything: nobody reads it. */
  #refuse(error: BrokerError, head: ParsedRequestHead): void {
    this.#state = 'busy';
    this.#closing = true;
    this.#reply = new CallerReply(this, head, false);
    this.#host.refuse(error, { ...head, ...this.#host.identify(head) }, this.#reply);
  }

  #readBody(body: CallerBody, bytes: Buffer, at: number): number {
    if (body.discarded) this.#lingerBytes -= bytes.length - at;
    else this.deadlineAt = performance.now() + this.#host.limits.idleTimeout;
    if (this.#lingerBytes < 0) this.#leave();
    try {
      const next = body.take(bytes, at);
      if (!body.over) return next;
      this.deadlineAt = Number.POSITIVE_INFINITY;
      if (this.#reply?.over === true) this.#done();
      return next;
    } catch (error) {
      this.#failBody(error instanceof WireError ? refusalOf(error) : toBrokerError(error, 'listener'));
      return bytes.length;
    }
  }

  /** The request cannot become whole, so nothing after it can be told apart from it. */
  #failBody(error: BrokerError): void {
    this.#closing = true;
    const discarded = this.#body?.discarded === true;
    this.#body?.fail(error);
    if (discarded) this.#leave();
  }

  #done(): void {
    if (this.#state !== 'busy') return;
    this.#request = undefined;
    this.#reply = undefined;
    if (this.#body !== undefined) this.#body.paused = false;
    this.#inlet.lend(false);
    this.#body = undefined;
    if (this.closing) return this.#linger();
    this.#tunnel = undefined;
    this.#state = 'idle';
    this.deadlineAt = performance.now() + this.#host.limits.idleTimeout;
    this.resumeReading();
  }

  /** FIN after what was written; then what the caller still sends is read past, so that it is not reset before it has read our answer. */
  #linger(): void {
    this.#state = 'lingering';
    this.#inlet.forget();
    this.deadlineAt = performance.now() + this.#host.limits.idleTimeout;
    this.#socket.end(() => {
      this.deadlineAt = performance.now() + LINGER_MS;
      this.#host.rested();
    });
    this.#inlet.resume();
  }

  #onRoom(): void {
    if (this.#state === 'idle') return this.#inlet.resume();
    if (this.#state === 'busy' || this.#state === 'tunnel')
      this.deadlineAt = this.#body?.flowing === true ? performance.now() + this.#host.limits.idleTimeout : Number.POSITIVE_INFINITY;
    this.#reply?.onRoom();
  }

  /** The caller sends no more. Who still waits for an answer then has most likely gone: it counts as gone (as in nginx and Envoy). */
  #onEnd(): void {
    if (this.#state === 'tunnel') this.#tunnel?.end();
    if (this.#state === 'idle' || (this.#state === 'tunnel' && this.#reply?.over === true)) return this.#linger();
    if (this.#state !== 'busy') return;
    if (this.#body?.over === false) this.#failBody(bodyEndedEarly());
    else this.#leave();
  }

  /** The caller has gone, or is sent away. */
  #leave(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.#socket.destroy();
    if (this.#reply?.over !== true) this.#request?.abandon();
    this.#body?.fail(bodyEndedEarly());
    this.#tunnel?.fail(bodyEndedEarly());
    this.#host.closed(this);
  }
}
