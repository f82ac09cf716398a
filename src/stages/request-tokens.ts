/** The token for a request: that of the config, or the one made from what this caller brings. */

import { type ReadOwnCredentials, readOwnCredentials } from '../caller/own-credentials.ts';
import { canBringCredentials, ownCredentialsPlace } from '../config/own-credentials.ts';
import type { Config } from '../config/schema/root.ts';
import type { CallerRequest } from '../message.ts';
import type { CachedToken } from '../token/cached.ts';
import type { CallerToken } from '../token/callers/caller-token.ts';
import type { CallerTokens } from '../token/callers/caller-tokens.ts';
import type { Tokens } from '../token/tokens.ts';
import type { TokenSupply } from './injected-token.ts';

export class RequestTokens {
  readonly #tokens: Tokens;
  /** By token, where each caller has its own. */
  readonly #ownCredentials = new Map<string, ReadOwnCredentials>();
  /** By token, where it is the same for all callers. */
  readonly #supplies = new Map<string, TokenSupply>();

  constructor(tokens: Tokens, config: Config) {
    this.#tokens = tokens;
    const listeners = Object.entries(config.listeners);
    for (const [name, token] of Object.entries(config.tokens)) {
      const place = ownCredentialsPlace(token);
      if (place === undefined) {
        this.#supplies.set(name, supplyOf(tokens, name));
        continue;
      }
      const able = listeners.filter(([, listener]) => canBringCredentials(listener, place)).map(([listener]) => listener);
      this.#ownCredentials.set(name, readOwnCredentials({ place, isSaml: token.grant === 'saml2_bearer', listeners: new Set(able) }));
    }
  }

  /** Throws what the caller is told where the token is made from credentials that it did not bring, or that were refused. */
  source(name: string, request: CallerRequest): CachedToken | CallerToken {
    const read = this.#ownCredentials.get(name);
    return read === undefined
      ? this.#tokens.source(name)
      : (this.#tokens.ofCallers(name) as CallerTokens).of(read(request), request.peer.address);
  }

  /** `undefined` where the caller's credentials have ended meanwhile, or there is no room for its token any more. */
  #callersSource(name: string, request: CallerRequest): CachedToken | CallerToken | undefined {
    try {
      return this.source(name, request);
    } catch {
      return undefined;
    }
  }

  /** Where another one comes from when an upstream refuses the one that was sent. */
  supply(name: string, request: CallerRequest): TokenSupply {
    const common = this.#supplies.get(name);
    if (common !== undefined) return common;
    const callerTokens = this.#tokens.ofCallers(name) as CallerTokens;
    return {
      mayBeSent: (token) => callerTokens.mayBeSent(token),
      replace: async (refused) => this.#callersSource(name, request)?.replace(refused),
      refusedAgain: () => this.#callersSource(name, request)?.refusedAgain(),
    };
  }
}

/** Whatever source has it by then: a config may have followed while the request was on its way. */
function supplyOf(tokens: Tokens, name: string): TokenSupply {
  return {
    mayBeSent: (token) => tokens.source(name).mayBeSent(token),
    replace: (refused) => tokens.source(name).replace(refused),
    refusedAgain: () => tokens.source(name).refusedAgain(),
  };
}
