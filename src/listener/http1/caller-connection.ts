/** One connection of a caller: requests read strictly, one after the other, each answered before the next is looked at (RFC 9112 §9.3). */

import type { Socket } from 'node:net';
import type { BrokerError } from '../../errors.ts';
import type { Peer } from '../../message.ts';
import { Inlet } from '../../wire/inlet.ts';
import { Outlet } from '../../wire/outlet.ts';
import { tear } from '../../wire/tear.ts';
import type { Connection, ConnectionHost } from '../connection-host.ts';
import { bodyEndedEarly, bodyStopped, headTooSlow } from '../refusal.ts';
import type { CallerBody } from './caller-body.ts';
import { LINGER_MS, ReadPast } from './read-past.ts';
import type { Turn } from './turn.ts';
import { Turns, type TurnTaker } from './turns.ts';

/**
 * `idle`: the next head is awaited. `busy`: a request is being answered. `tunnel`: the answer was a 101, and either side ends by itself.
 * `lingering`: the last answer is out, what still comes is read past.
 */
type State = 'idle' | 'busy' | 'tunnel' | 'lingering' | 'closed';

export class CallerConnection implements Connection, TurnTaker {
  deadlineAt: number;
  readonly date = (): string => this.#host.date();
  readonly outlet: Outlet;
  readonly #host: ConnectionHost;
  readonly inlet: Inlet;
  readonly peer: Peer;
  readonly #turns: Turns;
  #state: State = 'idle';
  #turn: Turn | undefined;
  /** Nothing that follows on the connection is looked at. */
  #closing = false;
  readonly #readPast = new ReadPast();

  constructor(accepted: Socket, host: ConnectionHost) {
    this.#host = host;
    // Where this fails, whoever accepted the connection still has it to close.
    this.peer = host.peerOf(accepted);
    this.inlet = new Inlet(accepted, (bytes, at) => this.#hear(bytes, at), host.readMemory);
    this.#turns = new Turns(this, host);
    this.outlet = new Outlet(this.inlet.socket, () => this.#guarded(() => this.#onRoom()), host.writeMemory);
    this.deadlineAt = performance.now() + host.limits.headTimeout;
    this.inlet.socket
      .on('end', () => this.#guarded(() => this.#onEnd()))
      .on('error', () => undefined)
      .on('close', () => this.#guarded(() => this.#leave()));
  }

  /** An answer is owed, or on its way. */
  get inFlight(): number {
    return Number(this.#answers || (this.#state === 'lingering' && this.inlet.socket.writableLength > 0));
  }

  get #answers(): boolean {
    return this.#state === 'busy' || this.#state === 'tunnel';
  }

  get idle(): boolean {
    return this.#state === 'idle';
  }

  get closing(): boolean {
    // What was said in a protocol that nobody agreed to is no request.
    return this.#closing || this.#host.draining || (this.#turn?.tunnel !== undefined && this.inlet.hasRest);
  }

  /** Closes it once what was written is out; a request whose head has begun is still answered. */
  end(): void {
    if (this.#state === 'idle' && !this.#turns.begun) this.#linger();
  }

  onDeadline(): void {
    this.#guarded(() => {
      if (this.#state === 'idle' && this.#turns.begun) this.#turns.refuse(headTooSlow());
      else if (this.#state === 'busy' && this.#turn?.awaitsBody === true && !this.outlet.full) this.failBody(bodyStopped());
      else this.breakOff(this.#state === 'tunnel');
    });
  }

  openTunnel(): void {
    this.#state = 'tunnel';
    this.resumeReading();
  }

  pauseReading(): void {
    this.deadlineAt = Number.POSITIVE_INFINITY;
    this.inlet.pause();
  }

  resumeReading(): void {
    if (this.#turn?.awaitsBody === true) this.deadlineAt = performance.now() + this.#host.limits.idleTimeout;
    this.inlet.resume();
  }

  /** The request cannot become whole, so nothing after it can be told apart from it. */
  failBody(error: BrokerError): void {
    this.#closing = true;
    const body = this.#turn?.body;
    const discarded = body?.discarded === true;
    body?.fail(error);
    if (discarded) this.#leave();
  }

  progressed(): void {
    // A caller that takes nothing any more holds the upstream's answer up, and our memory.
    if (this.outlet.full) this.deadlineAt = performance.now() + this.#host.limits.idleTimeout;
  }

  replied(close: boolean): void {
    if (this.#state === 'tunnel') return this.#turn?.tunnel?.over === true ? this.#linger() : void this.inlet.socket.end();
    if (close) this.#closing = true;
    const body = this.#turn?.body;
    if (body === undefined || body.over) return this.#done();
    const closing = this.#closing;
    this.deadlineAt = performance.now() + LINGER_MS;
    // May find the end of the body, and begin the next request; unless the answer says that the connection closes.
    body.discard();
    if (closing) this.#done();
  }

  cut(): void {
    if (this.#turn?.request !== undefined) this.#turn.request.sentAway = true;
    this.#leave();
  }

  breakOff(reset: boolean): void {
    if (reset) tear(this.inlet.socket);
    this.#leave();
  }

  #hear(bytes: Buffer, at: number): number {
    try {
      return this.#take(bytes, at);
    } catch (cause) {
      this.#fault(cause);
      return bytes.length;
    }
  }

  #guarded(step: () => void): void {
    try {
      step();
    } catch (cause) {
      this.#fault(cause);
    }
  }

  /** Nobody foresaw it: this connection ends, and no other. */
  #fault(cause: unknown): void {
    this.#host.fault(cause);
    this.breakOff(true);
  }

  #take(bytes: Buffer, at: number): number {
    switch (this.#state) {
      case 'idle':
        // Who asks on and on without taking an answer would fill our memory.
        return this.outlet.full ? at : this.#readHead(bytes, at);
      case 'busy':
        return this.#turn?.body?.flowing === true ? this.#readBody(this.#turn.body, bytes, at) : at;
      case 'tunnel':
        this.#turn?.tunnel?.take(this.inlet.lasting(bytes.subarray(at)));
        return bytes.length;
      default:
        if (this.#readPast.isTooMuch(bytes.length - at)) this.#leave();
        return bytes.length;
    }
  }

  #readHead(bytes: Buffer, at: number): number {
    const next = this.#turns.hear(bytes, at);
    if (next !== undefined) return next;
    this.deadlineAt = Math.min(this.deadlineAt, performance.now() + this.#host.limits.headTimeout);
    return bytes.length;
  }

  begin(turn: Turn, last: boolean): void {
    if (last) this.#closing = true;
    this.#readPast.begin();
    this.#turn = turn;
    this.#state = 'busy';
    this.deadlineAt = Number.POSITIVE_INFINITY;
  }

  #readBody(body: CallerBody, bytes: Buffer, at: number): number {
    if (!body.discarded) this.deadlineAt = performance.now() + this.#host.limits.idleTimeout;
    else if (this.#readPast.isTooMuch(bytes.length - at)) this.#leave();
    const next = body.take(bytes, at);
    if (!body.over) return next;
    this.deadlineAt = Number.POSITIVE_INFINITY;
    this.inlet.endLending();
    if (this.#turn?.reply.over === true) this.#done();
    return next;
  }

  #done(): void {
    if (this.#state !== 'busy') return;
    const { closing } = this;
    if (this.#turn?.body !== undefined) this.#turn.body.paused = false;
    this.#turn = undefined;
    this.inlet.takeBack();
    if (closing) return this.#linger();
    this.#state = 'idle';
    this.deadlineAt = performance.now() + this.#host.limits.idleTimeout;
    this.resumeReading();
  }

  /** FIN after what was written; then what the caller still sends is read past, so that it is not reset before it has read our answer. */
  #linger(): void {
    this.#state = 'lingering';
    this.deadlineAt = performance.now() + this.#host.limits.idleTimeout;
    this.inlet.socket.end(() => {
      this.deadlineAt = performance.now() + LINGER_MS;
      this.#host.rested();
    });
    this.inlet.resume();
  }

  #onRoom(): void {
    if (this.#state === 'idle') return this.inlet.resume();
    if (this.#answers)
      this.deadlineAt = this.#turn?.body?.flowing === true ? performance.now() + this.#host.limits.idleTimeout : Number.POSITIVE_INFINITY;
    this.#turn?.reply.onRoom();
  }

  /** The caller sends no more. Who still waits for an answer then has most likely gone: it counts as gone (as in nginx and Envoy). */
  #onEnd(): void {
    if (this.#state === 'tunnel') this.#turn?.tunnel?.end();
    if (this.#state === 'idle' || (this.#state === 'tunnel' && this.#turn?.reply.over === true)) return this.#linger();
    if (this.#state !== 'busy') return;
    if (this.#turn?.body?.over === false) this.failBody(bodyEndedEarly());
    else this.#leave();
  }

  /** The caller has gone, or is sent away. */
  #leave(): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    this.inlet.socket.destroy();
    try {
      this.#turn?.abandon();
    } finally {
      this.#host.closed(this);
    }
  }
}
