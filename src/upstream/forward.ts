/** Sends a request to its upstream, a second time where that is safe and helps, and has the answer passed on. */

import { BrokerError } from '../errors.ts';
import type { Body, CallerRequest, Reply } from '../message.ts';
import { AnswerRelay, type Relayed } from './answer-relay.ts';
import type { UpstreamConnections } from './connections.ts';
import { ReplayableBody } from './replay.ts';
import type { OnUnauthorized } from './unauthorized.ts';

export interface Forwarding {
  readonly connections: UpstreamConnections;
  /** Path and query at the upstream. */
  readonly target: string;
  /** What `outboundFields` made. */
  readonly fields: readonly string[];
  readonly body: Body | undefined;
  readonly rewriteLocation: ((value: string) => string) | undefined;
  /** Whether the token among the fields may still be sent: asked again before they are sent a second time. */
  readonly mayBeSent: () => boolean;
  /** Absent where a 401 is passed on as it is. */
  readonly onUnauthorized: OnUnauthorized | undefined;
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
  const { onUnauthorized, body, fields } = forwarding;
  if (onUnauthorized === undefined) return passedOn(await send(request, reply, forwarding, fields, body));
  const kept = body === undefined ? undefined : new ReplayableBody(body, onUnauthorized.replayBuffer);
  const canReplay = () => kept === undefined || kept.copy() !== undefined;
  const first = await send(request, reply, forwarding, fields, kept, { onUnauthorized, canReplay });
  if (first.replayWith === undefined || request.abandoned) return passedOn(first);
  const second = await send(request, reply, forwarding, first.replayWith, kept?.copy());
  if (second.status === 401) onUnauthorized.refusedAgain();
  return passedOn(second);
}

async function send(
  request: CallerRequest,
  reply: Reply,
  { connections, target, rewriteLocation, mayBeSent }: Forwarding,
  fields: readonly string[],
  body: Body | undefined,
  unauthorized?: ConstructorParameters<typeof AnswerRelay>[3],
): Promise<Relayed> {
  const { method } = request;
  const relay = new AnswerRelay(request, reply, rewriteLocation, unauthorized);
  try {
    return await relay.run(connections, { method, target, fields, body, fresh: false });
  } catch (error) {
    const stale = error instanceof BrokerError && error.code === 'UPSTREAM_RESET';
    const repeatable = body === undefined && (SAFE.has(method) || relay.nothingSent);
    if (!stale || !repeatable || reply.started || request.abandoned || !mayBeSent()) throw error;
    const second = new AnswerRelay(request, reply, rewriteLocation, unauthorized);
    return second.run(connections, { method, target, fields, body, fresh: true });
  }
}

function passedOn({ status, cut, replayWith }: Relayed): Forwarded {
  // The caller left while a newer token was being fetched.
  return replayWith === undefined ? { status, cut } : { status, cut: 'caller' };
}
