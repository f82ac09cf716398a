/** Who is calling, once the caller stage is sure of it. */

export interface Caller {
  /** The caller's name in the config, or `anonymous`, or `basic-passthrough` where nobody has judged its credentials yet. */
  readonly name: string;
  readonly method: 'basic' | 'mtls' | 'jwt' | 'basic-passthrough' | 'anonymous';
  /** When its credentials end, by the wall clock in milliseconds; absent where they say no end. */
  readonly endsAt?: number;
}

/** What one way to authenticate says of credentials that it found. */
export type Verdict = Caller | 'refused';
