/** Things that give tokens: grants, and what is kept around them. */

import type { Token } from './token.ts';

/**
 * Safe for any number of callers at once; tokens are immutable.
 *
 * `peek` never waits and never throws: a token that may be sent now, or `undefined`.
 * `get` waits for one. It rejects with a `BrokerError` of stage `token`.
 */
export interface TokenSource {
  peek(): Token | undefined;
  get(waiter?: Waiter): Promise<Token>;
}

/**
 * `get` asks for one more token. It rejects with an `AuthorizationServerError`.
 * `forget` drops what it keeps for the next one, a refresh token, and gives it back.
 * `kept` is what it keeps, and `keep` takes that over from a grant for the same token under the config before.
 * `forgive` ends what holds a grant back beyond this token: refusals of credentials that others use, too.
 */
export interface Grant {
  get(): Promise<Token>;
  forget?(): string | undefined;
  kept?(): KeptToken | undefined;
  keep?(before: KeptToken | undefined): void;
  forgive?(): void;
}

/** A refresh token for the next grant, and a digest of what it goes back to: a changed one ends the row. */
export interface KeptToken {
  readonly token: string;
  readonly of: string;
}

/** Whoever waits for a token may go away; the grant goes on for the others. */
export interface Waiter {
  onAbandoned(listener: () => void): void;
}
