/** `client_secret_basic`: id and secret in the `Authorization` field (RFC 6749 §2.3.1). */

import type { ClientProof } from '../../authorization-server/client-proof.ts';
import type { Secret } from '../../config/secret.ts';

/** `raw` is for servers that read RFC 7617 and not RFC 6749: they take id and secret as they stand. */
export function clientSecretBasic(secret: Secret, encoding: 'form' | 'raw'): ClientProof {
  const encode = encoding === 'form' ? formEncode : (text: string) => text;
  return {
    write({ clientId, headers }) {
      const credentials = `${encode(clientId)}:${encode(secret.reveal())}`;
      headers.set('authorization', `Basic ${Buffer.from(credentials).toString('base64')}`);
    },
  };
}

/** RFC 6749 appendix B: the form encoding of HTML, in which a space is `+`. */
function formEncode(text: string): string {
  return new URLSearchParams([['', text]]).toString().slice(1);
}
