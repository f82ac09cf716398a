/** `private_key_jwt`: an assertion signed with the client's own key, or one that somebody else keeps in a file (RFC 7523 §2.2). */

import { constants, createHash, sign as signBytes, X509Certificate } from 'node:crypto';
import type { ClientProof } from '../../authorization-server/client-proof.ts';
import { AuthorizationServerError } from '../../authorization-server/failure.ts';
import type { Clock } from '../../clock.ts';
import type { ClientAuthenticationConfig } from '../../config/schema/client-authentication.ts';
import type { Secret } from '../../config/secret.ts';
import { type SigningAlgorithm, signingAlgorithmsOf } from '../../config/signing-key.ts';
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
      sendAssertion(request, signAssertion(request, { header, audience, sign: (input) => signed(input, alg, key.reveal()) }, clock));
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
function algorithmFor(key: string, wanted: SigningAlgorithm | undefined): SigningAlgorithm {
  const fitting = signingAlgorithmsOf(key);
  const alg = wanted ?? fitting[0];
  if (alg === undefined || !fitting.includes(alg)) throw new AuthorizationServerError('permanent', 'client_key_unusable');
  return alg;
}

/** The thumbprint and the chain (RFC 7515 §4.1.6 and §4.1.8). */
function certificateHeader(certificates: string | undefined): object {
  if (certificates === undefined) return {};
  const chain = (certificates.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? []).map(
    (block) => new X509Certificate(block).raw,
  );
  const thumbprint = createHash('sha256').update(chain[0] as Buffer);
  return { 'x5t#S256': thumbprint.digest('base64url'), x5c: chain.map((der) => der.toString('base64')) };
}

function signed(input: string, alg: SigningAlgorithm, key: string): Buffer {
  const bytes = Buffer.from(input);
  switch (alg) {
    case 'RS256':
      return signBytes('sha256', bytes, key);
    case 'PS256':
      // RFC 7518 §3.5: the salt is as long as the hash.
      return signBytes('sha256', bytes, { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST });
    case 'ES256':
      // RFC 7518 §3.4: the two numbers side by side, not DER.
      return signBytes('sha256', bytes, { key, dsaEncoding: 'ieee-p1363' });
    case 'EdDSA':
      return signBytes(null, bytes, key);
  }
}
