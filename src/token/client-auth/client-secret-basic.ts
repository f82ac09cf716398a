/** `client_secret_basic`: id and secret in the `Authorization` field (RFC 6749 §2.3.1). */

import type { ClientAuthentication } from '../../authorization-server/authorization-server.ts';
import type { Secret } from '../../config/secret.ts';

/** The secret is read for each request, so a changed one serves the next grant. */
export function clientSecretBasic(secret: Secret): ClientAuthentication {
  return (clientId, _form, headers) => {
    const credentials = `${formEncode(clientId)}:${formEncode(secret.reveal())}`;
    headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`);
  };
}

/** RFC 6749 appendix B: the form encoding of HTML, in which a space is `+`. */
function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1);
}
