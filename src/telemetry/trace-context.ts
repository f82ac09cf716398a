/** W3C Trace Context: a caller's `traceparent` is passed on, or one is begun. */

import { createRandomIds } from './random-ids.ts';

export const TRACEPARENT = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Gives the caller's value when it is valid, else a new one that is not sampled: nobody here records it. */
export type Traceparent = (received: string | undefined) => string;

export function createTraceparent(): Traceparent {
  const begin = createRandomIds(`00-${'x'.repeat(32)}-${'x'.repeat(16)}-00`);
  return (received) => (received !== undefined && TRACEPARENT.test(received) ? received : begin());
}
