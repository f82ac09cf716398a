/** A real authorization server (oidc-provider) for the demo and the tests: nothing to set up, nothing kept. */

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { TlsOptions } from 'node:tls';
import type { Client, Context, errors, Provider } from 'oidc-provider';
import { cannot } from './cannot.ts';
import { clientMetadata, type DemoClient, type DemoCredentials, METHODS } from './client.ts';
import { authorityOf, closeServer, type DemoAddress, listen } from './listen.ts';
import { memoryAdapters } from './memory-adapter.ts';
import { mutualTls, peerCertificate } from './mutual-tls.ts';
import { type DemoUser, registerPasswordGrant } from './password-grant.ts';

/** One request to the token endpoint, without anything secret. `undefined` is what the request did not say. */
export interface TokenRequest {
  readonly path: string;
  readonly grant: string | undefined;
  readonly clientId: string | undefined;
  readonly clientAuthentication: DemoCredentials['clientAuthentication'];
  readonly scope: string | undefined;
  readonly status: number;
  /** The OAuth error code of a refusal. */
  readonly error: string | undefined;
}

export interface DemoTls {
  readonly cert: string;
  readonly key: string;
  /** Whose client certificates to trust; any others are taken as self-signed. Absent: none is asked for. */
  readonly clientCa?: string;
}

export interface DemoAuthorizationServerOptions {
  readonly address: DemoAddress;
  /** What it calls itself; default: its own URL. */
  readonly issuer?: string;
  readonly clients: readonly DemoClient[];
  readonly users: readonly DemoUser[];
  readonly lifetimeSeconds: number;
  /** Proofs of possession (RFC 9449) need a nonce of the server. */
  readonly dpopNonce?: boolean;
  /** With it, whoever shows this token may register clients (RFC 7591). */
  readonly registrationToken?: string;
  /** PEM; absent: plain http. */
  readonly tls?: DemoTls;
  /** Called after each token request, answered or refused. */
  readonly onEvent?: (event: TokenRequest) => void;
  /** Called with each access token given out. For tests: it is a secret. */
  readonly onIssued?: (accessToken: string) => void;
  /** Called before the first request. For tests: more grants may be registered. */
  readonly onProvider?: (provider: Provider, refusals: typeof errors) => void;
  /** Called with the kind of each token that was given back. */
  readonly onRevoked?: (kind: RevokedKind) => void;
}

const REVOKED_KINDS = ['client_credentials', 'access_token', 'refresh_token'] as const;
export type RevokedKind = (typeof REVOKED_KINDS)[number];

export interface DemoAuthorizationServer {
  readonly issuer: string;
  readonly port: number;
  close(): Promise<void>;
}

/** Starts it. Grants: client_credentials, password and refresh_token; metadata by OIDC discovery and RFC 8414; revocation; resource indicators give JWTs. */
export async function startDemoAuthorizationServer(options: DemoAuthorizationServerOptions): Promise<DemoAuthorizationServer> {
  const { Provider, errors: refusals } = await loadProvider();
  const server = options.tls === undefined ? createServer() : createTlsServer(tlsOptions(options.tls));
  const port = await listen(server, options.address);
  const scheme = options.tls === undefined ? 'http' : 'https';
  const issuer = options.issuer ?? `${scheme}://${authorityOf(options.address.host, port)}`;
  try {
    const resourceServer = resourceServerOf(options.clients);
    const provider = new Provider(issuer, configurationOf(options, resourceServer));
    registerPasswordGrant(provider, refusals, options.users, resourceServer);
    options.onProvider?.(provider, refusals);
    watchTokenRequests(provider, options);
    for (const kind of REVOKED_KINDS) provider.on(`${kind}.destroyed`, () => options.onRevoked?.(kind));
    server.on('request', provider.callback());
  } catch (error) {
    await closeServer(server);
    throw error;
  }
  return { issuer, port, close: () => closeServer(server) };
}

function tlsOptions({ cert, key, clientCa }: DemoTls): TlsOptions {
  // Which certificates will do is decided by the client's registration, after the handshake.
  return { cert, key, ...(clientCa === undefined ? {} : { ca: clientCa, requestCert: true, rejectUnauthorized: false }) };
}

async function loadProvider(): Promise<typeof import('oidc-provider')> {
  try {
    return await import('oidc-provider');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw cause;
    throw cannot('the demo needs the package "oidc-provider": run npm ci in a clone of the repository', cause);
  }
}

/** Everything that oidc-provider would otherwise warn about on the console is given here. */
function configurationOf(options: DemoAuthorizationServerOptions, resourceServer: (resource: string) => object): object {
  const signingKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' });
  return {
    adapter: memoryAdapters(),
    // Any function but the default's switches the grant on; ours alone decides who gets one.
    issueRefreshToken: (_context: Context, client: Client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    jwks: { keys: [{ ...signingKey, alg: 'ES256', use: 'sig', kid: 'demo' }] },
    clients: options.clients.map(clientMetadata),
    clientDefaults: { id_token_signed_response_alg: 'ES256' },
    clientAuthMethods: METHODS,
    enabledJWA: { clientAuthSigningAlgValues: ['HS256', 'HS384', 'HS512', 'RS256', 'PS256', 'ES256', 'EdDSA'] },
    clientBasedCORS: () => false,
    scopes: scopesOf(options.clients),
    responseTypes: [],
    findAccount: (_context: Context, accountId: string) => ({ accountId, claims: () => ({ sub: accountId }) }),
    ttl: { AccessToken: options.lifetimeSeconds, ClientCredentials: options.lifetimeSeconds, RefreshToken: 86_400, Grant: 86_400 },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      dPoP: { enabled: true, nonceSecret: randomBytes(32), requireNonce: () => options.dpopNonce === true },
      mTLS: mutualTls,
      registration: {
        enabled: options.registrationToken !== undefined,
        initialAccessToken: options.registrationToken ?? false,
        issueRegistrationAccessToken: false,
      },
      revocation: { enabled: true, allowedPolicy: (_context: Context, client: Client, token: Owned) => token.clientId === client.clientId },
      resourceIndicators: { enabled: true, getResourceServerInfo: (_context: Context, resource: string) => resourceServer(resource) },
    },
  };
}

interface Owned {
  readonly clientId: string;
}

function scopesOf(clients: readonly DemoClient[]): string[] {
  return [...new Set(clients.flatMap((client) => client.scope?.split(' ') ?? []))];
}

/** Any resource indicator (RFC 8707) is fine; the token is then a JWT for it. */
function resourceServerOf(clients: readonly DemoClient[]): (resource: string) => object {
  const scope = scopesOf(clients).join(' ');
  return (resource) => ({ audience: resource, scope, accessTokenFormat: 'jwt', jwt: { sign: { alg: 'ES256' } } });
}

function watchTokenRequests(provider: Provider, options: DemoAuthorizationServerOptions): void {
  provider.use(async (context, next) => {
    await next();
    const { client, body: asked = {} } = context.oidc ?? {};
    if (context.method !== 'POST' || context.path !== '/token') return;
    const answer = context.body as { access_token?: string; error?: string } | undefined;
    options.onEvent?.({
      path: context.path,
      grant: single(asked.grant_type),
      clientId: client?.clientId ?? single(asked.client_id),
      clientAuthentication: presented(context),
      scope: single(asked.scope),
      status: context.status,
      error: answer?.error,
    });
    if (answer?.access_token !== undefined) options.onIssued?.(answer.access_token);
  });
}

function presented(context: Context): TokenRequest['clientAuthentication'] {
  const { client, body } = context.oidc ?? {};
  if (/^basic /i.test(context.get('Authorization'))) return 'client_secret_basic';
  if (body?.client_secret !== undefined) return 'client_secret_post';
  // Which of two methods an assertion or a certificate was meant for, only the registration tells.
  const hasProof = body?.client_assertion !== undefined || peerCertificate(context) !== undefined;
  return hasProof ? (client?.clientAuthMethod ?? 'none') : 'none';
}

function single(value: string | string[] | undefined): string | undefined {
  return Array.isArray(value) ? value.join(', ') : value;
}
