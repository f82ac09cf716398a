/** The client authentication a token's config asks for. */

import type { ClientAuthentication } from '../../authorization-server/authorization-server.ts';
import type { TokenConfig } from '../../config/schema/tokens.ts';
import { clientSecretBasic } from './client-secret-basic.ts';
import { clientSecretPost } from './client-secret-post.ts';

export function clientAuthentication(config: NonNullable<TokenConfig['clientAuthentication']>): ClientAuthentication {
  switch (config.method) {
    case 'client_secret_basic':
      return clientSecretBasic(config.secret);
    case 'client_secret_post':
      return clientSecretPost(config.secret);
  }
}
