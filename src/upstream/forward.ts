/** Sends a request to its upstream, once more where that is safe and helps, and has the answer passed on. */

import { BrokerError } from '../errors.ts';
import type { Body, CallerRequest, Reply, Upgrade } from '../message.ts';
import { AnswerRelay, type Relayed } from './answer-relay.ts';
import type { UpstreamConnections } from './connections.ts';
import { ReplayableBody } from './replay.ts';
import { Remedies, type SentToken } from './unauthorized.ts';

export interface Forwarding {
  readonly connections: UpstreamConnections;
  /** Path and query at the upstream. */
  readonly target: string;
  /** What `outboundFields` makes, anew for each sending: a proof of possession is good for one. */
  readonly fields: () => readonly string[];
  readonly body: Body | undefined;
  readonly upgrade: Upgrade | undefined;
  readonly rewriteLocation: ((value: string) => string) | undefined;
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

/** Safe methods without a body, and whatever did not leave us, may be sent again when a kept connection turned out stale (RFC 9110 §9.2.2). */
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Resolves when the answer has been passed on, whole or cut short. Rejects with a `BrokerError` of stage `upstream` while nothing
 * has been sent to the caller yet.
 */
export async function forward(request: CallerRequest, reply: Reply, forwarding: Forwarding): Promise<Forwarded> {
  const { token, body, replayBuffer } = forwarding;
  if (token === undefined || !(token.renewable || token.takeNonce !== undefined))
    return passedOn(await send(request, reply, forwarding, body));
  const kept = body === undefined ? undefined : new ReplayableBody(body, replayBuffer);
  const remedies = new Remedies(token, () => kept === undefined || kept.copy() !== undefined);
  let relayed = await send(request, reply, forwarding, kept, remedies);
  while (relayed.again && !request.abandoned) relayed = await send(request, reply, forwarding, kept?.copy(), remedies);
  if (relayed.status === 401 && !relayed.again) remedies.failed();
  return passedOn(relayed);
}

async function send(
  request: CallerRequest,
  reply: Reply,
  { connections, target, fields, upgrade, rewriteLocation, token }: Forwarding,
  body: Body | undefined,
  remedies?: Remedies,
): Promise<Relayed> {
  const { method } = request;
  const relay = new AnswerRelay(request, reply, rewriteLocation, remedies);
  try {
    return await relay.run(connections, { method, target, fields: fields(), body, upgrade, fresh: false });
  } catch (error) {
    const stale = error instanceof BrokerError && error.code === 'UPSTREAM_RESET';
    const repeatable = body === undefined && (SAFE.has(method) || relay.nothingSent);
    if (!stale || !repeatable || reply.started || request.abandoned || token?.mayBeSent() === false) throw error;
    const second = new AnswerRelay(request, reply, rewriteLocation, remedies);
    return second.run(connections, { method, target, fields: fields(), body, upgrade, fresh: true });
  }
}

function passedOn({ status, cut, again }: Relayed): Forwarded {
  // The caller left while something was done about a 401.
  return again ? { status, cut: 'caller' } : { status, cut };
}
