/** What the grants of `tokens` need besides what all tokens share: one group of keys for each. */

import * as z from 'zod';
import { encryptionKeyProblem, refreshTokenProblem } from '../contents.ts';
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
