/** Sends a request to its upstream, once more where that is safe and helps, and has the answer passed on. */

import type { Derivation } from '../derive.ts';
import type { BrokerError } from '../errors.ts';
import type { Body, CallerRequest, Fields, Reply, Upgrade } from '../message.ts';
import { AnswerRelay, type Relayed, type RelayOwner } from './answer-relay.ts';
import { SAFE_METHODS, type UpstreamConnections } from './connections.ts';
import { ReplayableBody } from './replay.ts';
import { Remedies, type SentToken } from './unauthorized.ts';

export interface Forwarding {
  readonly connections: UpstreamConnections;
  /** Path and query at the upstream. */
  readonly target: string;
  /** All that is sent but framing, in sections; made anew for each sending: a proof of possession is good for one. */
  readonly fields: () => readonly Fields[];
  readonly body: Body | undefined;
  readonly upgrade: Upgrade | undefined;
  /** Which fields of the answer the caller gets (`createAnswerPassing`). */
  readonly answerPassing: Derivation<Fields>;
  /** Absent where there is none among the fields. */
  readonly token: SentToken | undefined;
  /** Bytes of a body that are kept for sending it again. */
  readonly replayBuffer: number;
}

/** How an exchange with an upstream ended, once its head had been passed on. */
export interface Forwarded {
  readonly status: number;
  /** The answer was cut short by the upstream, or the caller left. */
  readonly cut: 'upstream' | 'caller' | undefined;
}

/**
 * Resolves when the answer has been passed on, whole or cut short. Rejects with a `BrokerError` of stage `upstream` while nothing
 * has been sent to the caller yet.
 */
export function forward(request: CallerRequest, reply: Reply, forwarding: Forwarding): Promise<Forwarded> {
  return new Promise((resolve, reject) => new Attempts(request, reply, forwarding, resolve, reject).send());
}

class Attempts implements RelayOwner {
  readonly #request: CallerRequest;
  readonly #reply: Reply;
  readonly #forwarding: Forwarding;
  readonly #resolve: (forwarded: Forwarded) => void;
  readonly #reject: (error: unknown) => void;
  /** Only once there was a reason to look for one. */
  #remedies: Remedies | undefined;
  readonly #kept: ReplayableBody | undefined;
  #body: Body | undefined;
  #fresh = false;

  constructor(
    request: CallerRequest,
    reply: Reply,
    forwarding: Forwarding,
    resolve: (forwarded: Forwarded) => void,
    reject: (error: unknown) => void,
  ) {
    const { token, body, replayBuffer } = forwarding;
    this.#request = request;
    this.#reply = reply;
    this.#forwarding = forwarding;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#body = body;
    if (body === undefined || token === undefined || !(token.renewable || token.takeNonce !== undefined)) return;
    this.#kept = new ReplayableBody(body, replayBuffer);
    this.#body = this.#kept;
  }

  send(): void {
    const { connections, target, fields, upgrade, answerPassing: passing } = this.#forwarding;
    const [request, reply, body, fresh] = [this.#request, this.#reply, this.#body, this.#fresh];
    const { method } = request;
    try {
      const relay = new AnswerRelay({ request, reply, passing }, this);
      relay.run(connections, { method, target, fields: fields(), body, upgrade, fresh });
    } catch (error) {
      this.#reject(error);
    }
  }

  answered(status: number, fields: Fields): Promise<boolean> | undefined {
    const { token } = this.#forwarding;
    if (token === undefined || (status !== 401 && token.takeNonce === undefined)) return undefined;
    this.#remedies ??= new Remedies(token, () => this.#kept === undefined || this.#kept.copy() !== undefined);
    this.#remedies.takeNonce(fields);
    return status === 401 ? this.#remedies.start(fields) : undefined;
  }

  relayed({ status, cut, again }: Relayed): void {
    if (again) {
      this.#body = this.#kept?.copy();
      return this.send();
    }
    if (status === 401) this.#remedies?.failed();
    this.#resolve({ status, cut });
  }

  failed(error: BrokerError, nothingSent: boolean): void {
    const { token } = this.#forwarding;
    // A kept connection may have turned out stale (RFC 9110 §9.2.2).
    const repeatable = this.#body === undefined && (SAFE_METHODS.has(this.#request.method) || nothingSent);
    if (this.#fresh || error.code !== 'UPSTREAM_RESET' || !repeatable || token?.mayBeSent() === false) return this.#reject(error);
    this.#fresh = true;
    this.send();
  }
}
