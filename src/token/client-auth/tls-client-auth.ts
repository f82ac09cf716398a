/** `tls_client_auth` and `self_signed_tls_client_auth`: the proof is the connection's client certificate (RFC 8705 §2). */

import type { ClientCertificate } from '../../authorization-server/client-certificate.ts';
import type { ClientProof } from '../../authorization-server/client-proof.ts';

/** The two differ only in how the server knows the certificate. */
export function tlsClientAuth({ certificate, key }: ClientCertificate): ClientProof {
  return {
    certificate: { certificate, key },
    write({ clientId, form }) {
      form.set('client_id', clientId);
    },
  };
}
