/** What the grants of `tokens` need besides what all tokens share: one group of keys for each. */

import * as z from 'zod';
import { encryptionKeyProblem, refreshTokenProblem, tokenProblem } from '../contents.ts';
import { KeptFile } from '../kept-file.ts';
import { secret } from './references.ts';

const keptFile = z
  .string()
  .min(1, 'is empty; give the path of a file')
  .meta({ examples: ['state/orders.refresh-token'] })
  .transform((path) => new KeptFile(path));

export const refreshTokenKeys = {
  refreshToken: secret(refreshTokenProblem).describe(
    'The first refresh token, obtained elsewhere. A changed one is used from the next token request.',
  ),
  persist: keptFile
    .optional()
    .describe(
      'Path of a file, relative to this config, where a refresh token that replaces the first one is kept, encrypted, mode 0600. Its folder must be writable. At the next start it is used instead of the first one, unless that has changed since. Without it, it is kept in memory only.',
    ),
  persistKey: secret(encryptionKeyProblem)
    .optional()
    .describe('What the file at "persist" is encrypted with (AES-256-GCM): base64 of 32 random bytes, `openssl rand -base64 32`.'),
};

const tokenType = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$/, 'is not a token type; give its URI, such as urn:ietf:params:oauth:token-type:jwt')
  .meta({ examples: ['urn:ietf:params:oauth:token-type:jwt'] });

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

export const tokenExchangeKeys = {
  subject: secret(tokenProblem).describe(
    'The token that is exchanged. Its file is read for each token request; where it is a JWT with "exp", what it was exchanged for ends no later.',
  ),
  subjectTokenType: tokenType.default(ACCESS_TOKEN).describe('What the subject is (RFC 8693 §3).'),
  requestedTokenType: tokenType
    .optional()
    .describe('What to ask for; an answer of another type is TOKEN_INVALID. Default: whatever the server gives.'),
  actor: z
    .strictObject({
      token: secret(tokenProblem).describe('A token of the acting party. Its file is read for each token request.'),
      tokenType: tokenType.default(ACCESS_TOKEN).describe('What that token is.'),
    })
    .optional()
    .describe('Who acts for the subject, where the server wants to know.'),
};
