/** What a connection is busy with: one request, what is still to come of it, and its answer. */

import type { BrokerError } from '../../errors.ts';
import type { Peer } from '../../message.ts';
import type { Inlet } from '../../wire/inlet.ts';
import type { ParsedRequestHead } from '../../wire/request-head.ts';
import { HttpRequest, type RequestFacts } from '../caller-request.ts';
import { bodyEndedEarly } from '../refusal.ts';
import type { CheckedHead } from '../request-head.ts';
import { type BodySource, CallerBody } from './caller-body.ts';
import { CallerReply, type ReplyTarget } from './caller-reply.ts';
import { CallerTunnel, type TunnelSource } from './caller-tunnel.ts';

/** The connection, as a turn on it sees it. */
export interface TurnCarrier extends ReplyTarget {
  readonly inlet: Pick<Inlet, 'hasRest' | 'lasting' | 'lend'>;
  readonly peer: Peer;
  openTunnel(): void;
  pauseReading(): void;
  resumeReading(): void;
  failBody(error: BrokerError): void;
}

export class Turn implements BodySource, TunnelSource {
  readonly reply: CallerReply;
  readonly body: CallerBody | undefined;
  readonly tunnel: CallerTunnel | undefined;
  /** `undefined` where its head was refused. */
  readonly request: HttpRequest | undefined;
  readonly #carrier: TurnCarrier;
  #awaitsContinue: boolean;

  /** @param checked absent where the head was refused: there is only an answer to give */
  constructor(carrier: TurnCarrier, head: ParsedRequestHead, checked?: CheckedHead, facts?: Pick<RequestFacts, 'id' | 'listener'>) {
    this.#carrier = carrier;
    this.#awaitsContinue = checked?.awaitsContinue === true;
    this.reply = new CallerReply(carrier, head, this.#awaitsContinue);
    if (checked === undefined || facts === undefined) return;
    const { target, authority, length, chunked, host, upgrade } = checked;
    const { version, method, fields } = head;
    const { id, listener } = facts;
    const { peer } = carrier;
    const body = chunked || (length ?? 0) > 0 ? new CallerBody(length, this) : undefined;
    const tunnel = upgrade === undefined ? undefined : new CallerTunnel(upgrade, this);
    if (body !== undefined) carrier.inlet.lend();
    this.body = body;
    this.tunnel = tunnel;
    this.request = new HttpRequest({ id, listener, version, method, target, host, authority, fields, body, upgrade: tunnel, peer });
  }

  /** The next move is the caller's: somebody takes its body, and it has not all come. */
  get awaitsBody(): boolean {
    return this.body?.flowing === true && !this.body.discarded;
  }

  /** Who holds its body back is told now to send it, but never twice (RFC 9110 §10.1.1). */
  readBody(): void {
    const { inlet, outlet } = this.#carrier;
    const holdsBack = this.#awaitsContinue && this.body?.discarded === false && !inlet.hasRest;
    if (holdsBack && !this.reply.started) outlet.text('HTTP/1.1 100 Continue\r\n\r\n');
    this.#awaitsContinue = false;
    this.resumeReading();
  }

  pauseReading(): void {
    this.#carrier.pauseReading();
  }

  resumeReading(): void {
    this.#carrier.resumeReading();
  }

  failBody(error: BrokerError): void {
    this.#carrier.failBody(error);
  }

  lasting(bytes: Buffer): Buffer {
    return this.#carrier.inlet.lasting(bytes);
  }

  openTunnel(): void {
    this.#carrier.inlet.lend();
    this.#carrier.openTunnel();
  }

  /** While an answer is still owed, its own end cuts the tunnel too. */
  discardTunnel(): void {
    if (this.reply.over) this.#carrier.breakOff(true);
  }

  /** The caller has gone, or is sent away. */
  abandon(): void {
    if (!this.reply.over) this.request?.abandon();
    this.body?.fail(bodyEndedEarly());
    this.tunnel?.fail(bodyEndedEarly());
  }
}
