/** A client of the demo's authorization server, and how it is registered there. */

import { createPublicKey, hash, type JsonWebKey, X509Certificate } from 'node:crypto';
import type { ClientAuthenticationConfig } from '../config/schema/client-authentication.ts';
import { cannot } from './cannot.ts';

type DemoGrant = 'client_credentials' | 'password' | 'refresh_token' | `urn:ietf:params:oauth:grant-type:${string}`;

/** What the server knows of a client's proof. Keys and certificates are PEM. */
export type DemoCredentials =
  | { readonly clientAuthentication: 'client_secret_basic' | 'client_secret_post' | 'client_secret_jwt'; readonly secret: string }
  | { readonly clientAuthentication: 'private_key_jwt'; readonly publicKey: string; readonly kid?: string }
  | { readonly clientAuthentication: 'self_signed_tls_client_auth'; readonly certificate: string }
  /** The certificate's only name. */
  | { readonly clientAuthentication: 'tls_client_auth'; readonly uri: string }
  | { readonly clientAuthentication: 'none' };

export type DemoClient = DemoCredentials & {
  readonly clientId: string;
  /** With `refresh_token` beside `password`, its answers hold one; each is good for one use. */
  readonly grants: readonly DemoGrant[];
  /** Scope names it may ask for, separated by spaces; absent: any. */
  readonly scope?: string;
  /** Its tokens are bound to the certificate that it presents (RFC 8705 §3). */
  readonly certificateBound?: boolean;
};

/** What oidc-provider is to know of a client of the config. Throws where the demo has no way to check its proof. */
export function demoCredentials(clientId: string, config: ClientAuthenticationConfig): DemoCredentials {
  switch (config.method) {
    case 'client_secret_basic':
    case 'client_secret_post':
    case 'client_secret_jwt':
      return { clientAuthentication: config.method, secret: config.secret[0]?.reveal() ?? '' };
    case 'private_key_jwt':
      if (config.key === undefined) break;
      return {
        clientAuthentication: config.method,
        publicKey: createPublicKey(config.key.reveal()).export({ type: 'spki', format: 'pem' }).toString(),
        ...(config.kid === undefined ? {} : { kid: config.kid.reveal() }),
      };
    case 'none':
      return { clientAuthentication: config.method };
    // The demo's server speaks http.
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      break;
  }
  throw cannot(`client "${clientId}" proves itself in a way that the demo cannot check: use a secret or a "key"`);
}

export const METHODS: readonly DemoCredentials['clientAuthentication'][] = [
  'client_secret_basic',
  'client_secret_post',
  'client_secret_jwt',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'none',
];

/** As in a registration by RFC 7591. */
export function clientMetadata(client: DemoClient): object {
  return {
    client_id: client.clientId,
    token_endpoint_auth_method: client.clientAuthentication,
    ...proofMetadata(client),
    grant_types: client.grants,
    redirect_uris: [],
    response_types: [],
    tls_client_certificate_bound_access_tokens: client.certificateBound === true,
    ...(client.scope === undefined ? {} : { scope: client.scope }),
  };
}

function proofMetadata(client: DemoClient): object {
  switch (client.clientAuthentication) {
    case 'private_key_jwt': {
      const key = createPublicKey(client.publicKey).export({ format: 'jwk' });
      return { jwks: { keys: [client.kid === undefined ? key : { ...key, kid: client.kid }] } };
    }
    case 'self_signed_tls_client_auth':
      return { jwks: { keys: [certificateKey(client.certificate)] } };
    case 'tls_client_auth':
      return { tls_client_auth_san_uri: client.uri };
    case 'none':
      return {};
    default:
      return { client_secret: client.secret };
  }
}

function certificateKey(pem: string): JsonWebKey {
  const certificate = new X509Certificate(pem);
  return {
    ...certificate.publicKey.export({ format: 'jwk' }),
    x5c: [certificate.raw.toString('base64')],
    'x5t#S256': hash('sha256', certificate.raw, 'base64url'),
  };
}
