/** No client authentication: an assertion grant needs none, since the assertion proves enough (RFC 7521 §4.1). */

import type { ClientAuthentication } from '../../authorization-server/authorization-server.ts';

/** @param named whether the client says its id at least */
export function unauthenticated(named: boolean): ClientAuthentication {
  return (clientId, form) => {
    if (named) form.set('client_id', clientId);
  };
}
