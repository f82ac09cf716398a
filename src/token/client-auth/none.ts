/** `none`: a public client, which only says who it is (RFC 6749 §3.2.1). */

import type { ClientProof } from '../../authorization-server/client-proof.ts';

export const none: ClientProof = {
  write({ clientId, form }) {
    form.set('client_id', clientId);
  },
};
