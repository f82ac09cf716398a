/** What `token-broker dev` runs beside the broker: an authorization server and an upstream, made from the config. */

import type { ClientAuthenticationConfig } from '../config/schema/client-authentication.ts';
import type { Config } from '../config/schema/root.ts';
import type { Address } from '../config/schema/values.ts';
import { type DemoAuthorizationServer, startDemoAuthorizationServer, type TokenRequest } from './authorization-server.ts';
import { cannot } from './cannot.ts';
import { type DemoClient, type DemoCredentials, demoCredentials } from './client.ts';
import { type EchoedRequest, type EchoUpstream, startEchoUpstream } from './echo-upstream.ts';
import { authorityOf, type DemoAddress } from './listen.ts';
import type { DemoUser } from './password-grant.ts';

/** What happened at the demo's servers; nothing in it is secret. */
export type DemoEvent =
  | { readonly kind: 'token-request'; readonly request: TokenRequest }
  | { readonly kind: 'upstream-request'; readonly request: EchoedRequest };

export interface Demo {
  readonly authorizationServer: DemoAuthorizationServer;
  readonly upstream: EchoUpstream;
  close(): Promise<void>;
}

/** The rules of the config refuse others at the demo's authorization server. */
const DEMO_GRANTS = ['client_credentials', 'password'] as const;

type DemoToken = Extract<Config['tokens'][string], { grant: (typeof DEMO_GRANTS)[number] }> & {
  readonly clientId: string;
  readonly clientAuthentication: ClientAuthenticationConfig;
};

/** Starts both servers. The config must be loaded: the demo's clients and users have the secrets of the config's tokens. */
export async function startDemo(config: Config, onEvent?: (event: DemoEvent) => void): Promise<Demo> {
  const section = config.demo;
  if (section === undefined) throw new Error('the config has no "demo": add it, or use "token-broker start"');
  const { name, address, lifetime } = section.authorizationServer;
  const issuer = config.authorizationServers[name]?.issuer;
  const tokens = Object.values(config.tokens)
    .filter((token) => token.authorizationServer === name)
    .filter(isDemoToken);
  const authorizationServer = await bind('demo.authorizationServer.address', address, (tcp) =>
    startDemoAuthorizationServer({
      address: tcp,
      ...(issuer === undefined ? {} : { issuer }),
      clients: clientsOf(tokens),
      users: usersOf(tokens),
      lifetimeSeconds: lifetime,
      onEvent: (request) => onEvent?.({ kind: 'token-request', request }),
    }),
  );
  try {
    const upstream = await bind('demo.upstream.address', section.upstream.address, (tcp) =>
      startEchoUpstream({
        address: tcp,
        secretFields: secretFieldsOf(config),
        onRequest: (request) => onEvent?.({ kind: 'upstream-request', request }),
      }),
    );
    return { authorizationServer, upstream, close: async () => void (await Promise.all([authorizationServer.close(), upstream.close()])) };
  } catch (error) {
    await authorizationServer.close();
    throw error;
  }
}

async function bind<Started>(key: string, address: Address, start: (tcp: DemoAddress) => Promise<Started>): Promise<Started> {
  if (address.kind !== 'tcp') throw cannot(`"${key}" is a Unix socket: the demo needs host:port`);
  try {
    return await start(address);
  } catch (cause) {
    const code = (cause as NodeJS.ErrnoException).code;
    if (code !== 'EADDRINUSE' && code !== 'EACCES' && code !== 'EADDRNOTAVAIL') throw cause;
    const where = authorityOf(address.host, address.port);
    throw cannot(`the demo cannot listen on ${where} (${code}): end what uses it, or change "${key}"`, cause);
  }
}

function isDemoToken(token: Config['tokens'][string]): token is DemoToken {
  return (DEMO_GRANTS as readonly string[]).includes(token.grant) && token.registration === undefined;
}

/** One client for each client id; several tokens may share it. */
function clientsOf(tokens: readonly DemoToken[]): DemoClient[] {
  const byId = Map.groupBy(tokens, (token) => token.clientId);
  return [...byId].map(([clientId, shared]) => {
    const [credentials, ...others] = shared.map((token) => demoCredentials(clientId, token.clientAuthentication));
    if (others.some((other) => JSON.stringify(other) !== JSON.stringify(credentials)))
      throw cannot(`client "${clientId}" has two secrets or methods in "tokens": the demo knows one for each client`);
    const scopes = new Set(shared.flatMap((token) => token.scope?.split(' ') ?? []));
    return {
      ...(credentials as DemoCredentials),
      clientId,
      grants: DEMO_GRANTS.filter((grant) => shared.some((token) => token.grant === grant)),
      ...(scopes.size === 0 ? {} : { scope: [...scopes].join(' ') }),
    };
  });
}

function usersOf(tokens: readonly DemoToken[]): DemoUser[] {
  return tokens.flatMap((token) =>
    token.grant === 'password' && token.resourceOwner !== 'caller'
      ? [{ username: token.resourceOwner.username.reveal(), password: token.resourceOwner.password.reveal() }]
      : [],
  );
}

/** Fields into which some route writes a token or a fixed value that may be secret. */
function secretFieldsOf(config: Config): Set<string> {
  const names = Object.values(config.routes).flatMap((route) => [route.inject.header, ...Object.keys(route.headers)]);
  return new Set(names.map((name) => name.toLowerCase()));
}
