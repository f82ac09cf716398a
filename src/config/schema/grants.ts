/** What the grants of `tokens` need besides what all tokens share: one group of keys for each. */

import * as z from 'zod';
import {
  encryptionKeyProblem,
  jwtProblem,
  refreshTokenProblem,
  samlAssertionProblem,
  signingKeyProblem,
  tokenProblem,
} from '../contents.ts';
import { KeptFile } from '../kept-file.ts';
import { SIGNING_ALGORITHMS } from '../signing-key.ts';
import { secret, secretOr } from './references.ts';
import { duration, oneOrMore } from './values.ts';

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

const text = z.string().min(1, 'is empty; remove it, or give a value');

/** They have keys of their own, or are made anew for each assertion. */
const OWN_CLAIMS = new Set(['iss', 'sub', 'aud', 'iat', 'exp', 'jti']);

const claims = z.record(z.string().min(1), z.unknown()).superRefine((map, context) => {
  for (const key of Object.keys(map).filter((name) => OWN_CLAIMS.has(name)))
    context.addIssue({
      code: 'custom',
      path: [key],
      message: 'is written by the broker; use "issuer", "subject", "audience" or "lifetime"',
    });
});

const signedSubject = z
  .strictObject({
    key: secret(signingKeyProblem).describe(
      'PEM private key, not encrypted: RSA of 2048 bits or more, P-256 or Ed25519. A changed one signs the next assertion.',
    ),
    alg: z.enum(SIGNING_ALGORITHMS).describe('How the assertion is signed; must fit the key.'),
    kid: text.optional().describe('Id under which the server knows the key. Default: none is sent.'),
    issuer: text.describe('"iss": who vouches, such as the e-mail address of a service account, or the client id.'),
    subject: text.optional().describe('"sub": whom the token is for. Some servers want none for the issuer itself.'),
    audience: oneOrMore(text).describe('"aud": whom the assertion is for, mostly the token endpoint or its issuer.'),
    claims: claims.optional().describe('More claims, with any JSON as value.'),
    lifetime: duration({ minMs: 10_000, maxMs: 3_600_000 })
      .prefault('5m')
      .describe('How long an assertion is valid; each token request has its own.'),
  })
  .describe('Claims to sign ourselves, anew for each token request, with "jti", "iat" and "exp".');

export type SignedSubject = z.output<typeof signedSubject>;

export const jwtBearerKeys = {
  subject: secretOr({ sign: signedSubject.optional() }, jwtProblem).describe(
    'The assertion: a JWT whose file is read for each token request, or under "sign" the claims of one that we sign.',
  ),
};

export const saml2BearerKeys = {
  subject: secret(samlAssertionProblem).describe('The SAML 2.0 assertion, as XML. Its file is read for each token request.'),
};
