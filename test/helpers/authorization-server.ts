/** The real authorization server of most tests: oidc-provider over TLS, counting what it was asked. */

import type { Client, Provider } from 'oidc-provider';
import { type RevokedKind, startDemoAuthorizationServer, type TokenRequest } from '../../src/demo/authorization-server.ts';
import type { DemoClient } from '../../src/demo/client.ts';
import { issueRefreshToken } from '../../src/demo/password-grant.ts';
import { type AssertionIssuer, registerAssertionGrants } from './assertion-grants.ts';
import { sharedAuthority } from './certificates.ts';

/** Grants of both kinds, ready for use; the secrets need the form encoding of RFC 6749 appendix B. */
export const CLIENTS = {
  orders: {
    clientId: 'orders-sidecar',
    secret: 'orders secret ~/+&=%',
    clientAuthentication: 'client_secret_basic',
    grants: ['client_credentials'],
    scope: 'orders.read orders.write',
  },
  ledger: {
    clientId: 'ledger-sidecar',
    secret: 'ledger secret ~/+&=%',
    clientAuthentication: 'client_secret_post',
    grants: ['password'],
    scope: 'ledger.read',
  },
} as const satisfies Record<string, DemoClient>;

export const USER = { username: 'bookkeeper', password: 'pässword ~/+&=%:' };

export interface TestAuthorizationServerOptions {
  readonly clients?: readonly DemoClient[];
  readonly users?: readonly { username: string; password: string }[];
  readonly lifetimeSeconds?: number;
  /** With it, whoever shows this token may register clients. */
  readonly registrationToken?: string;
  /** A port of before, to come back on. */
  readonly port?: number;
  /** Proofs of possession need a nonce. */
  readonly dpopNonce?: boolean;
  /** Plain http instead of TLS. */
  readonly plain?: boolean;
  /** With it, the grants by assertion are there too, for those that it vouches for. */
  readonly assertionIssuer?: AssertionIssuer;
}

export interface TestAuthorizationServer {
  readonly issuer: string;
  readonly port: number;
  /** PEM of the authority that its certificate chains to. */
  readonly ca: string;
  /** Every request to the token endpoint, in order. */
  readonly requests: readonly TokenRequest[];
  /** Every access token given out, in order. */
  readonly issued: readonly string[];
  /** Gives a client a refresh token, as if somebody had logged in. */
  refreshToken(clientId: string): Promise<string>;
  /** The kind of every token given back, in order. */
  readonly revoked: readonly RevokedKind[];
  /** How many grants were given, all or of one client. */
  grants(clientId?: string): number;
  close(): Promise<void>;
}

/** Starts it in this process: its clock is the test's clock. */
export async function startAuthorizationServer(options: TestAuthorizationServerOptions = {}): Promise<TestAuthorizationServer> {
  const authority = await sharedAuthority();
  const requests: TokenRequest[] = [];
  const issued: string[] = [];
  let provider: Provider | undefined;
  const revoked: RevokedKind[] = [];
  const server = await startDemoAuthorizationServer({
    address: { host: '127.0.0.1', port: options.port ?? 0 },
    clients: options.clients ?? Object.values(CLIENTS),
    users: options.users ?? [USER],
    lifetimeSeconds: options.lifetimeSeconds ?? 3600,
    dpopNonce: options.dpopNonce ?? false,
    ...(options.registrationToken === undefined ? {} : { registrationToken: options.registrationToken }),
    ...(options.plain ? {} : { tls: { ...(await authority.issueServer()), clientCa: authority.certificate } }),
    onEvent: (request) => void requests.push(request),
    onIssued: (accessToken) => void issued.push(accessToken),
    onProvider: (created, refusals) => {
      provider = created;
      if (options.assertionIssuer !== undefined) registerAssertionGrants(created, refusals, options.assertionIssuer);
    },
    onRevoked: (kind) => void revoked.push(kind),
  });
  return {
    ...server,
    ca: authority.certificate,
    requests,
    issued,
    async refreshToken(clientId) {
      const client = (await provider?.Client.find(clientId)) as Client;
      return issueRefreshToken(provider as Provider, { accountId: USER.username, client, gty: 'password' });
    },
    revoked,
    grants: (clientId) =>
      requests.filter((request) => request.status === 200 && request.clientId === (clientId ?? request.clientId)).length,
  };
}
