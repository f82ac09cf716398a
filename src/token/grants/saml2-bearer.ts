/** The SAML 2.0 bearer grant (RFC 7522): an assertion that an identity provider has put into a file, for a token. */

import type { GrantConfig } from '../../config/schema/tokens.ts';
import type { Grant } from '../source.ts';
import type { RequestGrant } from './grant.ts';

/** The assertion is read anew for each grant and sent as it stands, in base64url without padding or line breaks (§2.1). */
export function saml2Bearer(config: GrantConfig & { grant: 'saml2_bearer' }, request: RequestGrant): Grant {
  const get = async () => {
    const assertion = Buffer.from(await config.subject.fresh()).toString('base64url');
    return request({ grantType: 'urn:ietf:params:oauth:grant-type:saml2-bearer', own: () => ({ assertion }) });
  };
  return { get };
}
