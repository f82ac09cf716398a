/** Who is calling, once the caller stage is sure of it. */

import type { Fields } from '../message.ts';

export interface Caller {
  /** The caller's name in the config, or `anonymous`, or `basic-passthrough` where nobody has judged its credentials yet. */
  readonly name: string;
  readonly method: 'basic' | 'mtls' | 'jwt' | 'negotiate' | 'basic-passthrough' | 'anonymous';
  /** When its credentials end, by the wall clock in milliseconds; absent where they say no end. */
  readonly endsAt?: number;
  /** What its answer must carry, so that it knows us too. */
  readonly answer?: Fields;
}

/** What one way to authenticate says of credentials that it found. */
export type Verdict = Caller | 'refused';
