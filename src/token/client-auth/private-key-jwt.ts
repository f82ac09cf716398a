/** `private_key_jwt`: an assertion signed with the client's own key, or one that somebody else keeps in a file (RFC 7523 §2.2). */

import { hash, X509Certificate } from 'node:crypto';
import type { ClientProof } from '../../authorization-server/client-proof.ts';
import { AuthorizationServerError } from '../../authorization-server/failure.ts';
import type { Clock } from '../../clock.ts';
import { pemBlocks } from '../../config/pem.ts';
import type { ClientAuthenticationConfig } from '../../config/schema/client-authentication.ts';
import type { Secret } from '../../config/secret.ts';
import { type SigningAlgorithm, signingAlgorithmsOf } from '../../config/signing-key.ts';
import { signatureOf } from '../signature.ts';
import { sendAssertion, signAssertion } from './assertion.ts';

type Config = Extract<ClientAuthenticationConfig, { method: 'private_key_jwt' }>;

/** Key, key id and certificate are read for each request: after a rotation they go together again. */
export function privateKeyJwt(config: Config, clock: Clock): ClientProof {
  const { key, assertion, audience } = config;
  if (key === undefined) return sentAsFound(assertion as Secret, config.assertionType);
  return {
    write(request) {
      const alg = algorithmFor(key.reveal(), config.alg);
      const header = { alg, typ: 'JWT', kid: config.kid?.reveal(), ...certificateHeader(config.certificate?.reveal()) };
      sendAssertion(request, signAssertion(request, { header, audience, sign: (input) => signatureOf(input, alg, key.reveal()) }, clock));
    },
  };
}

/** The file is read for each request: whoever keeps it replaces the assertion shortly before it ends. */
function sentAsFound(assertion: Secret, type: string | undefined): ClientProof {
  return {
    async write(request) {
      sendAssertion(request, await assertion.fresh(), type);
    },
  };
}

/** A key of another kind may have come by a rotation, after the config was checked. */
export function algorithmFor(key: string, wanted: SigningAlgorithm | undefined): SigningAlgorithm {
  const fitting = signingAlgorithmsOf(key);
  const alg = wanted ?? fitting[0];
  if (alg === undefined || !fitting.includes(alg)) throw new AuthorizationServerError('permanent', 'client_key_unusable');
  return alg;
}

/** The thumbprint and the chain (RFC 7515 §4.1.6 and §4.1.8). */
function certificateHeader(certificates: string | undefined): object {
  if (certificates === undefined) return {};
  const chain = pemBlocks(certificates, 'CERTIFICATE').map((block) => new X509Certificate(block).raw);
  return { 'x5t#S256': hash('sha256', chain[0] as Buffer, 'base64url'), x5c: chain.map((der) => der.toString('base64')) };
}
