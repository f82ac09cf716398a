/** Every token of the config as a source. */

import { setTimeout as sleep } from 'node:timers/promises';
import { AuthorizationServer } from '../authorization-server/authorization-server.ts';
import type { Clock } from '../clock.ts';
import { ownCredentialsPlace } from '../config/own-credentials.ts';
import type { AuthorizationServerConfig } from '../config/schema/authorization-servers.ts';
import type { Config } from '../config/schema/root.ts';
import type { GrantConfig, TokenConfig } from '../config/schema/tokens.ts';
import { Secret } from '../config/secret.ts';
import { CachedToken } from './cached.ts';
import { CallerTokens } from './caller-tokens.ts';
import { createDiscard } from './discard.ts';
import { clientCredentials } from './grants/client-credentials.ts';
import { grantRequests, type RequestGrant } from './grants/grant.ts';
import { jwtBearer } from './grants/jwt-bearer.ts';
import { password } from './grants/password.ts';
import { refreshToken } from './grants/refresh-token.ts';
import { saml2Bearer } from './grants/saml2-bearer.ts';
import { tokenExchange } from './grants/token-exchange.ts';
import { tokenIdentity } from './identity.ts';
import { createKeyedDigest } from './keyed-digest.ts';
import type { GrantObserver, TokenObserver } from './observer.ts';
import { fillIn } from './own-credentials.ts';
import { RefusedCredentials } from './refused-credentials.ts';
import type { TokenSource } from './source.ts';
import { configuredStore } from './store/configured-store.ts';
import type { StoreObserver } from './store/shared-store.ts';
import type { SnapshotObserver } from './store/snapshot.ts';
import type { TokenStore } from './store/store.ts';

export interface TokensOptions {
  readonly config: Config;
  readonly observer: TokenObserver;
  readonly storeObserver: StoreObserver & SnapshotObserver;
  /** One for each token, by its name. */
  readonly grantObserver: (name: string) => GrantObserver;
  readonly clock: Clock;
}

const ignore = () => undefined;

/** For those who only want tokens. */
export const UNOBSERVED: Pick<TokensOptions, 'observer' | 'storeObserver' | 'grantObserver'> = {
  observer: {
    granted: ignore,
    attemptFailed: ignore,
    grantFailed: ignore,
    credentialsRefused: ignore,
    shared: ignore,
    idle: ignore,
    revoked: ignore,
    notRevoked: ignore,
  },
  storeObserver: { lost: ignore, recovered: ignore, unreadable: ignore, notKept: ignore },
  grantObserver: () => ({
    secretChanged: ignore,
    registered: ignore,
    registrationNotPersisted: ignore,
    registrationUnreadable: ignore,
    refused: ignore,
    notPersisted: ignore,
    unreadable: ignore,
  }),
};

export class Tokens {
  readonly #servers = new Map<string, AuthorizationServer>();
  readonly #sources = new Map<string, CachedToken>();
  readonly #ofCallers = new Map<string, CallerTokens>();
  /** By the endpoint that they were sent to. */
  readonly #refused = new Map<string, RefusedCredentials>();
  readonly #digest = createKeyedDigest();
  readonly #store: TokenStore | undefined;
  readonly #forget: (() => void)[] = [];
  readonly #config: Config;

  constructor(options: TokensOptions) {
    const { config, clock } = options;
    this.#config = config;
    this.#store = config.store === undefined ? undefined : configuredStore(config.store, options.storeObserver, clock);
    for (const [name, server] of Object.entries(config.authorizationServers))
      this.#servers.set(name, new AuthorizationServer(server, clock));
    for (const [name, token] of Object.entries(config.tokens)) {
      if (ownCredentialsPlace(token) === undefined) this.#sources.set(name, this.#createSource(name, token as GrantConfig, options));
      else this.#ofCallers.set(name, this.#createOfCallers(name, token, options));
    }
  }

  /** The source of a token that the config defines, and that is the same for all callers. */
  source(name: string): CachedToken {
    return this.#sources.get(name) as CachedToken;
  }

  /** The tokens under a name of the config, where each caller has one made from its own credentials. */
  ofCallers(name: string): CallerTokens | undefined {
    return this.#ofCallers.get(name);
  }

  allOfCallers(): CallerTokens[] {
    return [...this.#ofCallers.values()];
  }

  /** Without those that are made from callers' credentials. */
  all(): CachedToken[] {
    return [...this.#sources.values()];
  }

  /** Asks for every eager token once, all at the same time; failures are told to the observer and change nothing. */
  async warmUp(): Promise<void> {
    const eager = this.all().filter((source) => this.#config.tokens[source.name]?.renew.eager);
    await Promise.allSettled(eager.map((source) => source.get()));
  }

  /** Gives back what asked for it, all at the same time, and waits `withinMs` at most: a server in trouble holds up no stop. */
  async revoke(withinMs: number): Promise<void> {
    const asking = [...this.all(), ...this.allOfCallers()].filter((source) => this.#config.tokens[source.name]?.revokeOnShutdown);
    for (const source of asking) source.close();
    await Promise.race([Promise.all(asking.map((source) => source.purge())), sleep(withinMs, undefined, { ref: false })]);
  }

  async close(): Promise<void> {
    for (const stop of this.#forget) stop();
    for (const source of [...this.#sources.values(), ...this.#ofCallers.values()]) source.close();
    await Promise.all([...[...this.#servers.values()].map((server) => server.close()), this.#store?.close()]);
  }

  #createSource(name: string, token: GrantConfig, options: TokensOptions): CachedToken {
    const { observer, clock } = options;
    const [server, serverConfig] = this.#serverOf(token);
    const grantObserver = options.grantObserver(name);
    const grant = createGrant(token, server, clock, grantObserver);
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
      discard: createDiscard({ name, config: token, server, grant, store, observer, grantObserver, clock }),
      observer,
      clock,
    });
    this.#follow(token, cached);
    return cached;
  }

  #createOfCallers(name: string, config: TokenConfig, options: TokensOptions): CallerTokens {
    const { observer, clock } = options;
    const [server, serverConfig] = this.#serverOf(config);
    const grantObserver = options.grantObserver(name);
    // One for all of them: which of our own secrets is good does not depend on the caller.
    const request = grantRequests(config, server, clock, grantObserver);
    const refusedAt = (endpoint: string) => {
      const refused = this.#refused.get(endpoint) ?? new RefusedCredentials(clock);
      this.#refused.set(endpoint, refused);
      return refused;
    };
    const tokens = new CallerTokens({
      name,
      config,
      digest: this.#digest,
      refused: {
        get known() {
          return server.knownEndpoint === undefined ? undefined : refusedAt(server.knownEndpoint);
        },
        find: async () => refusedAt(await server.endpoint()),
      },
      createGrant(credentials, endsAt) {
        const filled = fillIn(config, credentials);
        const ending: RequestGrant = (asked) => request({ ...asked, endsAt: Math.min(asked.endsAt ?? endsAt, endsAt) });
        const grant = createGrant(filled, server, clock, grantObserver, ending);
        return {
          get identity() {
            return tokenIdentity(filled, serverConfig);
          },
          grant,
          discard: createDiscard({ name, config, server, grant, store: undefined, observer, grantObserver, clock }),
        };
      },
      observer,
      clock,
    });
    this.#follow(config, tokens);
    return tokens;
  }

  #serverOf(token: TokenConfig): [AuthorizationServer, AuthorizationServerConfig] {
    const { authorizationServer: name } = token;
    return [this.#servers.get(name) as AuthorizationServer, this.#config.authorizationServers[name] as AuthorizationServerConfig];
  }

  #follow(token: TokenConfig, source: { secretChanged(): void }): void {
    for (const secret of secretsOf(token)) this.#forget.push(secret.onChange(() => source.secretChanged()));
  }
}

/** @param request default: one of its own */
function createGrant(
  token: GrantConfig,
  server: AuthorizationServer,
  clock: Clock,
  observer: GrantObserver,
  request?: RequestGrant,
): TokenSource {
  switch (token.grant) {
    case 'client_credentials':
      return clientCredentials(token, server, clock, observer);
    case 'password':
      return password(token, server, clock, observer, request);
    case 'refresh_token':
      return refreshToken(token, server, clock, observer);
    case 'token_exchange':
      return tokenExchange(token, server, clock, observer, request);
    case 'jwt_bearer':
      return jwtBearer(token, server, clock, observer, request);
    case 'saml2_bearer':
      return saml2Bearer(token, server, clock, observer, request);
  }
}

function secretsOf(value: unknown): Secret[] {
  if (value instanceof Secret) return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(secretsOf) : [];
}
