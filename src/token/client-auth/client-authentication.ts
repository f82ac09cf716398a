/** The client authentication a token's config asks for. */

import type { ClientCertificate } from '../../authorization-server/client-certificate.ts';
import type { ClientProof } from '../../authorization-server/client-proof.ts';
import type { Clock } from '../../clock.ts';
import type { TokenConfig } from '../../config/schema/tokens.ts';
import type { RegistrationObserver } from '../observer.ts';
import { clientSecretBasic } from './client-secret-basic.ts';
import { clientSecretJwt } from './client-secret-jwt.ts';
import { clientSecretPost } from './client-secret-post.ts';
import { none } from './none.ts';
import { privateKeyJwt } from './private-key-jwt.ts';
import { RegisteredClient } from './registered-client.ts';
import { tlsClientAuth } from './tls-client-auth.ts';
import { unnamed } from './unnamed.ts';

/** One proof, or one for each secret of a list, in its order; with them the certificate that the token is to be bound to. */
export function clientProofs(token: TokenConfig, clock: Clock, observer: RegistrationObserver): readonly ClientProof[] {
  const { clientId, clientAuthentication, registration, certificateBound } = token;
  const proofOf = (...registered: [string, TokenConfig['clientAuthentication']]) => proofsOf(...registered, clock)[0] as ClientProof;
  const proofs =
    registration === undefined
      ? proofsOf(clientId, clientAuthentication, clock)
      : [new RegisteredClient({ config: token, registration, proofOf, observer, clock })];
  return typeof certificateBound === 'object' ? proofs.map((proof) => withCertificate(proof, certificateBound)) : proofs;
}

function withCertificate(proof: ClientProof, certificate: ClientCertificate): ClientProof {
  return {
    write: (request) => proof.write(request),
    once: () => withCertificate(proof.once?.() ?? proof, certificate),
    refused: () => proof.refused?.() ?? false,
    certificate,
  };
}

function proofsOf(clientId: string | undefined, config: TokenConfig['clientAuthentication'], clock: Clock): readonly ClientProof[] {
  if (config === undefined) return [clientId === undefined ? unnamed : none];
  switch (config.method) {
    case 'client_secret_basic':
      return config.secret.map((secret) => clientSecretBasic(secret, config.encoding));
    case 'client_secret_post':
      return config.secret.map(clientSecretPost);
    case 'client_secret_jwt':
      return config.secret.map((secret) => clientSecretJwt(secret, config, clock));
    case 'private_key_jwt':
      return [privateKeyJwt(config, clock)];
    case 'tls_client_auth':
    case 'self_signed_tls_client_auth':
      return [tlsClientAuth(config)];
    case 'none':
      return [none];
  }
}
