/** What a TLS connection to an authorization server shows of the client. */

import type { Secret } from '../config/secret.ts';

/** A client certificate and its key, both PEM. */
export interface ClientCertificate {
  readonly certificate: Secret;
  readonly key: Secret;
}
