/** `none`, and the default of the assertion grants: a client that only says who it is (RFC 6749 §3.2.1, RFC 7521 §4.1). */

import type { ClientProof } from '../../authorization-server/client-proof.ts';

export const none: ClientProof = {
  write({ clientId, form }) {
    form.set('client_id', clientId);
  },
};
