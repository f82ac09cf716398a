/** The name of a request, in the log, in errors and at the upstream: the caller's `X-Request-Id`, or a new one. */

import { createRandomIds } from './random-ids.ts';

const ACCEPTABLE = /^[\x21-\x7e]{1,128}$/;

/** Gives the caller's value when it is acceptable, else a random UUID (RFC 9562 §5.4). */
export type RequestId = (received: string | undefined) => string;

export function createRequestId(): RequestId {
  const create = createRandomIds('xxxxxxxx-xxxx-4xxx-axxx-xxxxxxxxxxxx');
  return (received) => (received !== undefined && ACCEPTABLE.test(received) ? received : create());
}
