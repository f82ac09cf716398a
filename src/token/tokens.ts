/** Every token of the config as a source. */

import { AuthorizationServer } from '../authorization-server/authorization-server.ts';
import { type Clock, within } from '../clock.ts';
import { ownCredentialsPlace } from '../config/own-credentials.ts';
import type { AuthorizationServerConfig } from '../config/schema/authorization-servers.ts';
import type { Config } from '../config/schema/root.ts';
import type { GrantConfig, TokenConfig } from '../config/schema/tokens.ts';
import { Secret } from '../config/secret.ts';
import { valuesIn } from '../config/values-in.ts';
import { CachedToken } from './cached.ts';
import type { CallerTokens } from './callers/caller-tokens.ts';
import { type CreateCallerTokens, callerTokensOf } from './callers/caller-tokens-of.ts';
import { createDiscard } from './discard.ts';
import { createGrant } from './grants/create-grant.ts';
import { tokenClient } from './grants/grant.ts';
import { type GuardedPassword, guardedPasswords } from './grants/guarded-password.ts';
import { refreshTokenOwner } from './grants/refresh-token.ts';
import { RefreshTokenRows } from './grants/refresh-token-rows.ts';
import { tokenIdentity } from './identity.ts';
import type { GrantObserver, TokenObserver } from './observer.ts';
import { refusedAtServers } from './refused-at-server.ts';
import { configuredStore } from './store/configured-store.ts';
import type { StoreObserver } from './store/shared-store.ts';
import type { SnapshotObserver } from './store/snapshot.ts';
import type { TokenStore } from './store/store.ts';
import type { Token } from './token.ts';

export interface TokensOptions {
  readonly config: Config;
  readonly observer: TokenObserver;
  readonly storeObserver: StoreObserver & SnapshotObserver;
  /** One for each token, by its name. */
  readonly grantObserver: (name: string) => GrantObserver;
  readonly clock: Clock;
}

export class Tokens {
  readonly #servers = new Map<string, AuthorizationServer>();
  /** By name. */
  readonly #own = new Map<string, CachedToken>();
  /** Names of those that have gone on in the next config, and that. */
  readonly #handedOver = new Set<string>();
  #next: Tokens | undefined;
  readonly #ofCallers = new Map<string, CallerTokens>();
  readonly #store: TokenStore | undefined;
  readonly #forget: (() => void)[] = [];
  readonly #refreshTokens = new RefreshTokenRows();
  /** Names of those whose refresh tokens serve others in the next config. */
  readonly #passedOn = new Set<string>();
  readonly #config: Config;
  readonly #clock: Clock;

  constructor(options: TokensOptions) {
    const { config, clock } = options;
    this.#config = config;
    this.#clock = clock;
    this.#store = config.store === undefined ? undefined : configuredStore(config.store, options.storeObserver, clock);
    for (const [name, server] of Object.entries(config.authorizationServers))
      this.#servers.set(name, new AuthorizationServer(server, clock));
    const refusedAt = refusedAtServers(clock);
    const password = guardedPasswords(refusedAt);
    const createCallerTokens = callerTokensOf(refusedAt, options.observer, clock);
    for (const [name, token] of Object.entries(config.tokens)) {
      if (ownCredentialsPlace(token) === undefined) this.#own.set(name, this.#createSource(name, token as GrantConfig, password, options));
      else this.#ofCallers.set(name, this.#createOfCallers(name, token, createCallerTokens, options));
    }
  }

  /** The source of a token that the config defines, and that is the same for all callers. Whatever config it has gone on in by now. */
  source(name: string): CachedToken {
    return this.#next !== undefined && this.#handedOver.has(name) ? this.#next.source(name) : (this.#own.get(name) as CachedToken);
  }

  /** Forced, as `CachedToken` says, and though the authorization server is left alone at the moment. */
  renew(name: string): Promise<Token> {
    if (this.#next !== undefined && this.#handedOver.has(name)) return this.#next.renew(name);
    this.#serverOf(this.#config.tokens[name] as TokenConfig)[0].letProbe();
    return this.source(name).renew();
  }

  /** The tokens under a name of the config, where each caller has one made from its own credentials. */
  ofCallers(name: string): CallerTokens | undefined {
    return this.#ofCallers.get(name);
  }

  allOfCallers(): CallerTokens[] {
    return [...this.#ofCallers.values()];
  }

  /** By their names in the config. */
  servers(): ReadonlyMap<string, AuthorizationServer> {
    return this.#servers;
  }

  /** Without those that are made from callers' credentials. */
  all(): CachedToken[] {
    return [...this.#own.keys()].map((name) => this.source(name));
  }

  /** Asks for every eager token once, all at the same time; failures are told to the observer and change nothing. */
  async warmUp(): Promise<void> {
    const eager = this.all().filter((source) => this.#config.tokens[source.name]?.renew.eager);
    await Promise.allSettled(eager.map((source) => source.get()));
  }

  /**
   * What is the same token in both goes on in `next`, whose config follows this one, without a grant: whoever asks here, too, is given that one. The
   * others are renewed no more. Those of callers are made anew there. Whatever has replaced a refresh token is known there, too.
   */
  handOver(next: Tokens): void {
    if (this.#store !== undefined) next.#store?.follow?.(this.#store);
    next.#refreshTokens.follow(this.#refreshTokens);
    const servingNext = new Set(next.all().map(({ name }) => next.#refreshTokenOf(name)));
    for (const [name, source] of this.#own) {
      const heir = next.#own.get(name);
      if (heir?.identity !== source.identity) {
        source.retire();
        const refreshToken = this.#refreshTokenOf(name);
        if (refreshToken !== undefined && servingNext.has(refreshToken)) this.#passedOn.add(name);
        continue;
      }
      heir.takeOver(source);
      this.#handedOver.add(name);
    }
    this.#next = next;
  }

  /**
   * Nobody asks here any more: waits, `withinMs` at most, for answers that nobody could ask for again: what goes on in the next config, and whatever uses
   * up a refresh token. A server that takes each of those once may end the whole row where its answer is not heard.
   */
  async arrived(withinMs: number): Promise<void> {
    // Of a refresh token that waits for its turn nothing is on its way: the next config has it redeemed.
    const others = [...this.#handedOver].filter((name) => this.#config.tokens[name]?.grant !== 'refresh_token');
    const settled = others.map((name) => this.#own.get(name)?.settled());
    await within(this.#clock, withinMs, Promise.all([this.#refreshTokens.finish(), ...settled]), () => undefined);
  }

  /** Gives back what asked for it, all at the same time, and waits `withinMs` at most: a server in trouble holds up no stop. */
  async revoke(withinMs: number): Promise<void> {
    // Servers may end the whole row of a refresh token with one access token of it (RFC 7009 §2.1).
    const left = [...this.#own.values()].filter(({ name }) => !this.#handedOver.has(name) && !this.#passedOn.has(name));
    const asking = [...left, ...this.allOfCallers()].filter((source) => this.#config.tokens[source.name]?.revokeOnShutdown);
    for (const source of asking) source.close();
    await within(this.#clock, withinMs, Promise.all(asking.map((source) => source.purge())), () => undefined);
  }

  async close(): Promise<void> {
    for (const stop of this.#forget) stop();
    for (const source of [...this.#own.values(), ...this.#ofCallers.values()]) source.close();
    this.#refreshTokens.close();
    await Promise.all([...[...this.#servers.values()].map((server) => server.close()), this.#store?.close()]);
  }

  #createSource(name: string, token: GrantConfig, password: GuardedPassword, options: TokensOptions): CachedToken {
    const { observer, clock } = options;
    const [server, serverConfig] = this.#serverOf(token);
    const grantObserver = options.grantObserver(name);
    const client = tokenClient(token, server, clock, grantObserver);
    const { request } = client;
    const grant =
      token.grant === 'password'
        ? password(token, server, request, grantObserver)
        : createGrant(token, { request, server, clock, observer: grantObserver, rows: this.#refreshTokens });
    // What is bound to a key of this process is worth nothing to another.
    const store = token.dpop === undefined ? this.#store : undefined;
    const cached = new CachedToken({
      name,
      // Asked for anew each time: user name, fields and certificate may change with their files.
      get identity() {
        return tokenIdentity(token, serverConfig);
      },
      grant,
      renew: token.renew,
      upstreamFrom: token.upstreamFrom,
      store,
      discard: createDiscard({ name, config: token, client, grant, store, observer }),
      observer,
      clock,
    });
    this.#follow(token, cached);
    return cached;
  }

  #createOfCallers(name: string, config: TokenConfig, create: CreateCallerTokens, { grantObserver }: TokensOptions): CallerTokens {
    const [server, serverConfig] = this.#serverOf(config);
    const tokens = create({ name, config, server, serverConfig, grantObserver: grantObserver(name) });
    this.#follow(config, tokens);
    return tokens;
  }

  /** Which one, as the config has it, where the token is obtained by one. */
  #refreshTokenOf(name: string): string | undefined {
    const token = this.#config.tokens[name];
    if (token?.grant !== 'refresh_token') return undefined;
    return JSON.stringify([refreshTokenOwner(token, this.#serverOf(token)[0]), token.refreshToken.reveal()]);
  }

  #serverOf(token: TokenConfig): [AuthorizationServer, AuthorizationServerConfig] {
    const { authorizationServer: name } = token;
    return [this.#servers.get(name) as AuthorizationServer, this.#config.authorizationServers[name] as AuthorizationServerConfig];
  }

  #follow(token: TokenConfig, source: { secretChanged(): void }): void {
    for (const { value: secret } of valuesIn(token, Secret)) this.#forget.push(secret.onChange(() => source.secretChanged()));
  }
}
