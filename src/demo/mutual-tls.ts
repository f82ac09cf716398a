/** How the demo's authorization server looks at client certificates (RFC 8705 §2), and binds tokens to them (§3). */

import type { X509Certificate } from 'node:crypto';
import { TLSSocket } from 'node:tls';
import type { Context } from 'oidc-provider';

/** The certificate the client presented, whoever vouches for it. */
export function peerCertificate({ req: { socket } }: Context): X509Certificate | undefined {
  return socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined;
}

/** The feature's settings for oidc-provider. */
export const mutualTls = {
  enabled: true,
  tlsClientAuth: true,
  selfSignedTlsClientAuth: true,
  certificateBoundAccessTokens: true,
  getCertificate: peerCertificate,
  certificateAuthorized: ({ req: { socket } }: Context) => socket instanceof TLSSocket && socket.authorized,
  /** Clients are registered by their URI name only. */
  certificateSubjectMatches: (context: Context, property: string, expected: string) =>
    property === 'tls_client_auth_san_uri' && peerCertificate(context)?.subjectAltName === `URI:${expected}`,
};
