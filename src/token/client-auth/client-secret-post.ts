/** `client_secret_post`: id and secret in the form (RFC 6749 §2.3.1). */

import type { ClientAuthentication } from '../../authorization-server/authorization-server.ts';
import type { Secret } from '../../config/secret.ts';

/** The secret is read for each request, so a changed one serves the next grant. */
export function clientSecretPost(secret: Secret): ClientAuthentication {
  return (clientId, form) => {
    form.set('client_id', clientId);
    form.set('client_secret', secret.reveal());
  };
}
