/** W3C Trace Context: a caller's `traceparent` is passed on, or one is begun. */

import type { Fields } from '../message.ts';
import { createRandomIds } from './random-ids.ts';

const TRACEPARENT = /^(?!ff)([0-9a-f]{2})-(?!0{32})([0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2})(-.*)?$/;

/** The caller's, in the version that is spoken here; `''` where it has none that can be read, or several. Of a later version its beginning counts (§3.2.2.1). */
export function receivedTraceparent(fields: Fields): string {
  let received: string | undefined;
  for (let i = 0; i < fields.length; i += 2) {
    const name = fields[i] as string;
    if (name.length !== 11 || name.toLowerCase() !== 'traceparent') continue;
    if (received !== undefined) return '';
    received = fields[i + 1];
  }
  const [, version, known, more] = TRACEPARENT.exec(received ?? '') ?? [];
  return version === undefined || (version === '00' && more !== undefined) ? '' : `00-${known}`;
}

/** Gives a new one that is not sampled: nobody here records it. */
export function createTraceparent(): () => string {
  return createRandomIds(`00-${'x'.repeat(32)}-${'x'.repeat(16)}-00`);
}
