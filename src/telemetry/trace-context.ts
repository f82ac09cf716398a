/** W3C Trace Context: a caller's `traceparent` is passed on, or one is begun. */

import { randomBytes } from 'node:crypto';

const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** The caller's value when it is valid, else a new one that is not sampled: nobody here records it. */
export function traceparent(received: string | undefined): string {
  if (received !== undefined && TRACEPARENT.test(received)) return received;
  const bytes = randomBytes(24).toString('hex');
  return `00-${bytes.slice(0, 32)}-${bytes.slice(32)}-00`;
}
