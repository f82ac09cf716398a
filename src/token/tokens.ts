/** Every token of the config as a source. */

import { AuthorizationServer } from '../authorization-server/authorization-server.ts';
import type { Clock } from '../clock.ts';
import type { Config } from '../config/schema/root.ts';
import type { TokenConfig } from '../config/schema/tokens.ts';
import { Secret } from '../config/secret.ts';
import { CachedToken } from './cached.ts';
import { clientCredentials } from './grants/client-credentials.ts';
import { jwtBearer } from './grants/jwt-bearer.ts';
import { password } from './grants/password.ts';
import { refreshToken } from './grants/refresh-token.ts';
import { saml2Bearer } from './grants/saml2-bearer.ts';
import { tokenExchange } from './grants/token-exchange.ts';
import { tokenIdentity } from './identity.ts';
import type { RefreshTokenObserver, TokenObserver } from './observer.ts';
import type { TokenSource } from './source.ts';
import { RedisStore, type StoreObserver } from './store/redis.ts';

export interface TokensOptions {
  readonly config: Config;
  readonly observer: TokenObserver;
  readonly storeObserver: StoreObserver;
  /** One for each token, by its name. */
  readonly refreshTokenObserver: (name: string) => RefreshTokenObserver;
  readonly clock: Clock;
}

const ignore = () => undefined;

/** For those who only want tokens. */
export const UNOBSERVED: Pick<TokensOptions, 'observer' | 'storeObserver' | 'refreshTokenObserver'> = {
  observer: { granted: ignore, attemptFailed: ignore, grantFailed: ignore, shared: ignore, idle: ignore },
  storeObserver: { lost: ignore, recovered: ignore, unreadable: ignore },
  refreshTokenObserver: () => ({ refused: ignore, notPersisted: ignore, unreadable: ignore }),
};

export class Tokens {
  readonly #servers = new Map<string, AuthorizationServer>();
  readonly #sources = new Map<string, CachedToken>();
  readonly #store: RedisStore | undefined;
  readonly #forget: (() => void)[] = [];
  readonly #config: Config;

  constructor(options: TokensOptions) {
    const { config, clock } = options;
    this.#config = config;
    this.#store = config.store === undefined ? undefined : new RedisStore(config.store, options.storeObserver, clock);
    for (const [name, server] of Object.entries(config.authorizationServers))
      this.#servers.set(name, new AuthorizationServer(server, clock));
    for (const [name, token] of Object.entries(config.tokens)) this.#sources.set(name, this.#createSource(name, token, options));
  }

  /** The source of a token that the config defines. */
  source(name: string): CachedToken {
    return this.#sources.get(name) as CachedToken;
  }

  all(): CachedToken[] {
    return [...this.#sources.values()];
  }

  /** Asks for every eager token once, all at the same time; failures are told to the observer and change nothing. */
  async warmUp(): Promise<void> {
    const eager = this.all().filter((source) => this.#config.tokens[source.name]?.renew.eager);
    await Promise.allSettled(eager.map((source) => source.get()));
  }

  async close(): Promise<void> {
    for (const stop of this.#forget) stop();
    for (const source of this.#sources.values()) source.close();
    await Promise.all([...[...this.#servers.values()].map((server) => server.close()), this.#store?.close()]);
  }

  #createSource(name: string, token: TokenConfig, options: TokensOptions): CachedToken {
    const { config, observer, clock } = options;
    const server = this.#servers.get(token.authorizationServer) as AuthorizationServer;
    const serverConfig = config.authorizationServers[token.authorizationServer] as Config['authorizationServers'][string];
    const cached = new CachedToken({
      name,
      // Asked for anew each time: user name, fields and certificate may change with their files.
      get identity() {
        return tokenIdentity(token, serverConfig);
      },
      grant: createGrant(token, server, clock, options.refreshTokenObserver(name)),
      renew: token.renew,
      // What is bound to a key of this process is worth nothing to another.
      store: token.dpop === undefined ? this.#store : undefined,
      observer,
      clock,
    });
    for (const secret of secretsOf(token)) this.#forget.push(secret.onChange(() => cached.secretChanged()));
    return cached;
  }
}

function createGrant(token: TokenConfig, server: AuthorizationServer, clock: Clock, observer: RefreshTokenObserver): TokenSource {
  switch (token.grant) {
    case 'client_credentials':
      return clientCredentials(token, server, clock);
    case 'password':
      return password(token, server, clock, observer);
    case 'refresh_token':
      return refreshToken(token, server, clock, observer);
    case 'token_exchange':
      return tokenExchange(token, server, clock);
    case 'jwt_bearer':
      return jwtBearer(token, server, clock);
    case 'saml2_bearer':
      return saml2Bearer(token, server, clock);
  }
}

function secretsOf(value: unknown): Secret[] {
  if (value instanceof Secret) return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(secretsOf) : [];
}
