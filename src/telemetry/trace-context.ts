/** W3C Trace Context: a caller's `traceparent` is passed on, or one is begun. */

import type { Fields } from '../message.ts';
import { createRandomIds } from './random-ids.ts';

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(-.*)?$/;

/** The caller's, in the version that is spoken here; `''` where it has none that can be read, or several. Of a later version its beginning counts (§3.2.2.1). */
export function receivedTraceparent(fields: Fields): string {
  const received = fields.filter((_text, index) => index % 2 === 1 && fields[index - 1]?.toLowerCase() === 'traceparent');
  const [, version, known, more] = (received.length === 1 ? TRACEPARENT.exec(received[0] as string) : null) ?? [];
  return version === undefined || (version === '00' && more !== undefined) ? '' : `00-${known}`;
}

/** Gives a new one that is not sampled: nobody here records it. */
export function createTraceparent(): () => string {
  return createRandomIds(`00-${'x'.repeat(32)}-${'x'.repeat(16)}-00`);
}
