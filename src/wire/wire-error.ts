/** What a peer sent is not HTTP/1.1 as RFC 9112 writes it, or more of it than is taken. */

/** - `malformed`: could be read in two ways, or in none. - `head`, `target`: larger than the limit. - `version`: not HTTP/1.0 or 1.1. */
export type WireFault = 'malformed' | 'head' | 'target' | 'version';

/** `message` says what is wrong and how to write it; it never holds what was sent. */
export class WireError extends Error {
  override readonly name = 'WireError';
  readonly fault: WireFault;

  constructor(fault: WireFault, message: string) {
    super(message);
    this.fault = fault;
  }
}
