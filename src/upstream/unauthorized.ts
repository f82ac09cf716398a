/** When a 401 of an upstream is about the token, and what may be done about it. */

import type { Fields } from '../message.ts';

/** How the forwarder gets a newer token, without knowing what a token is. */
export interface OnUnauthorized {
  /** The scheme under which the token was sent, lower-case. */
  readonly scheme: string;
  /** Bytes of a request body that are kept for sending it a second time. */
  readonly replayBuffer: number;
  /** The request's fields with a newer token, or `undefined` when there is none to be had. Never rejects. */
  renewedFields(): Promise<readonly string[] | undefined>;
  /** The newer token was refused too. */
  refusedAgain(): void;
}

/**
 * Whether a 401 asks for another token (RFC 6750 §3): its challenge names the token's scheme, or there is none at all. A token that lacks a
 * scope would lack it after a renewal as well, and a challenge of another scheme is not about the token.
 */
export function asksForAnotherToken(fields: Fields, scheme: string): boolean {
  let challenged = false;
  for (let i = 0; i < fields.length; i += 2) {
    if ((fields[i] as string).toLowerCase() !== 'www-authenticate') continue;
    challenged = true;
    const value = (fields[i + 1] as string).toLowerCase();
    if (namesScheme(value, scheme)) return !/error\s*=\s*"?insufficient_scope/.test(value);
  }
  return !challenged;
}

/** A scheme stands at the beginning of a value or after a comma, and is followed by a space or nothing (RFC 9110 §11.6.1). */
function namesScheme(value: string, scheme: string): boolean {
  return value.split(',').some((part) => {
    const word = part.trim().split(' ', 1)[0];
    return word === scheme;
  });
}
