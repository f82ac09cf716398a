/** `client_secret_jwt`: an assertion under the client secret, which never leaves this process (RFC 7523 §2.2). */

import { createHmac } from 'node:crypto';
import type { ClientProof } from '../../authorization-server/client-proof.ts';
import type { Clock } from '../../clock.ts';
import type { ClientAuthenticationConfig } from '../../config/schema/client-authentication.ts';
import type { Secret } from '../../config/secret.ts';
import { sendAssertion, signAssertion } from './assertion.ts';

type Config = Extract<ClientAuthenticationConfig, { method: 'client_secret_jwt' }>;

export function clientSecretJwt(secret: Secret, { alg, audience }: Config, clock: Clock): ClientProof {
  const hash = alg.replace('HS', 'sha');
  return {
    write(request) {
      const sign = (input: Buffer) => createHmac(hash, secret.reveal()).update(input).digest();
      sendAssertion(request, signAssertion(request, { header: { alg, typ: 'JWT' }, audience, sign }, clock));
    },
  };
}
