/** Refuses requests that go round in a circle: they have come through brokers more often than any chain of them is long (RFC 9110 §7.6.3). */

import { derive } from '../derive.ts';
import { BrokerError } from '../errors.ts';
import type { Fields } from '../message.ts';

/** A sidecar in front of a gateway makes two; the name is the same for all brokers, so one pass more must not be refused. */
const MAX_PASSES = 3;

/** Throws REQUEST_INVALID with 508. */
export function refuseLoop(fields: Fields): void {
  if (derive(fields, countPasses) <= MAX_PASSES) return;
  throw new BrokerError(
    'REQUEST_INVALID',
    'the request goes round in a circle: no route may lead back to a broker that it has come through',
    {
      stage: 'listener',
      status: 508,
      proxyError: 'proxy_loop_detected',
      close: true,
    },
  );
}

function countPasses(fields: Fields): number {
  let passes = 0;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name.length === 3 && name.toLowerCase() === 'via') passes += (fields[i + 1] as string).split(' token-broker').length - 1;
  }
  return passes;
}
