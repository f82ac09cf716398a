/** The client credentials grant (RFC 6749 §4.4): a token for the client itself. */

import type { Grant } from '../source.ts';
import type { RequestGrant } from './grant.ts';

/** A refresh token in the answer is ignored: §4.4.3 says there should be none. */
export function clientCredentials(request: RequestGrant): Grant {
  return { get: () => request({ grantType: 'client_credentials' }) };
}
