/** `client_secret_post`: id and secret in the form (RFC 6749 §2.3.1). */

import type { ClientProof } from '../../authorization-server/client-proof.ts';
import type { Secret } from '../../config/secret.ts';

export function clientSecretPost(secret: Secret): ClientProof {
  return {
    write({ clientId, form }) {
      form.set('client_id', clientId);
      form.set('client_secret', secret.reveal());
    },
  };
}
