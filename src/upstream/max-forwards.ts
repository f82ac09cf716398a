/** `Max-Forwards` of OPTIONS (RFC 9110 §7.6.2): counted down on the way; at 0 the request has come as far as it may. */

import { type Fields, fieldValue, type Reply } from '../message.ts';
import type { Forwarded } from './forward.ts';

const NAME = 'max-forwards';

/** How many may still forward it; `undefined` where it does not say, or says no number. */
export function forwardsLeft(method: string, fields: Fields): number | undefined {
  const value = method === 'OPTIONS' ? fieldValue(fields, NAME) : undefined;
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

/** The fields with one less. */
export function countedDown(fields: Fields, left: number): string[] {
  return fields.map((text, index) => (index % 2 === 1 && fields[index - 1]?.toLowerCase() === NAME ? String(left - 1) : text));
}

/** The answer of who is asked last. @param more fields of it */
export function answerAsLast(reply: Reply, more: Fields): Forwarded {
  reply.start(200, '', ['content-length', '0', ...more], () => {}).end([]);
  return { status: 200, cut: undefined };
}
