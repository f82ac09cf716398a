/** `renew`: when a token is replaced by a newer one. */

import * as z from 'zod';
import { duration, LONGEST_TIMER_MS } from './values.ts';

export const renew = z.strictObject({
  before: duration({ minMs: 0 })
    .optional()
    .describe(
      'Renewed this long before its end, and earlier by a random part, so that replicas take turns. Default: the smaller of 60s and a fifth of the lifetime. "0s": only once it has ended, for servers that let a client have one token.',
    ),
  hardMargin: duration({ minMs: 0 })
    .optional()
    .describe(
      'Never sent this close to its end, since it must still be good when it arrives. Default: the smaller of 5s and a tenth of the lifetime.',
    ),
  minInterval: duration({ maxMs: LONGEST_TIMER_MS })
    .prefault('1s')
    .describe('The authorization server is not asked for this token again sooner, even where it keeps giving the same one.'),
  eager: z
    .boolean()
    .default(true)
    .describe('Obtained at start and renewed by a timer. Without: obtained by the first request, renewed by one that finds it old.'),
  idleAfter: duration()
    .prefault('10m')
    .describe('A token that no request used for this long is not renewed by the timer; the next request obtains it again.'),
  defaultLifetime: duration({ minMs: 1000 })
    .prefault('5m')
    .describe('Lifetime to assume when the answer names none and the token is no JWT with "exp".'),
  maxLifetime: duration({ minMs: 1000 }).prefault('24h').describe('Longest lifetime to believe; a longer one is cut to this.'),
});
