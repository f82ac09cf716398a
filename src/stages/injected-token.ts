/** The token of one request: which one is sent, with which proof beside it, and what happens when an upstream refuses it. */

import type { RouteConfig } from '../config/schema/routes.ts';
import type { Fields } from '../message.ts';
import type { CachedToken } from '../token/cached.ts';
import type { Token } from '../token/token.ts';
import type { SentToken } from '../upstream/unauthorized.ts';

/** What the requests of one route share. */
export interface TokenRoute {
  readonly config: Pick<RouteConfig, 'inject' | 'onUnauthorized'>;
  /** Scheme, host and port, as the upstream reads them from the request. */
  readonly origin: string;
  /** The last one that the upstream gave (RFC 9449 §9). */
  nonce: string | undefined;
  /** The token's field: the same section each time. */
  credentials(token: Token): Fields;
}

/** Where another one comes from. */
export type TokenSupply = Pick<CachedToken, 'mayBeSent' | 'replace' | 'refusedAgain'>;

/** The field that carries a token. */
export function tokenField({ header, scheme }: RouteConfig['inject'], token: Token): Fields {
  const written = scheme ?? token.scheme;
  return [header, written === '' ? token.reveal() : `${written} ${token.reveal()}`];
}

export class InjectedToken implements SentToken {
  readonly takeNonce: ((nonce: string) => void) | undefined;
  readonly #supply: TokenSupply;
  readonly #route: TokenRoute;
  #token: Token;

  constructor(token: Token, supply: TokenSupply, route: TokenRoute) {
    this.#token = token;
    this.#supply = supply;
    this.#route = route;
    this.takeNonce =
      token.dpopKey &&
      ((nonce) => {
        route.nonce = nonce;
      });
  }

  get schemes(): string[] {
    const { scheme, challenge } = this.#route.config.inject;
    return [scheme || this.#token.scheme, ...(challenge === undefined ? [] : [challenge])].map((each) => each.toLowerCase());
  }

  get renewable(): boolean {
    return this.#route.config.onUnauthorized === 'renew';
  }

  mayBeSent(): boolean {
    return this.#supply.mayBeSent(this.#token);
  }

  async renew(): Promise<boolean> {
    const newer = await this.#supply.replace(this.#token);
    // A token for another upstream is none for the one that refused.
    if (newer === undefined || newer.upstreamOrigin !== this.#token.upstreamOrigin) return false;
    this.#token = newer;
    return true;
  }

  refusedAgain(): void {
    this.#supply.refusedAgain();
  }

  /** The token, and a proof that is good for this once. @param target path and query at the upstream */
  fields(method: string, target: string): Fields {
    const token = this.#token;
    const credentials = this.#route.credentials(token);
    if (token.dpopKey === undefined) return credentials;
    const { origin, nonce } = this.#route;
    return [...credentials, 'DPoP', token.dpopKey.proof(method, origin + target, nonce, token.reveal())];
  }
}
