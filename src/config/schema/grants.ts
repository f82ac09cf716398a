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
import { material, secret, secretOr } from './references.ts';
import { duration, fieldName, oneOrMore } from './values.ts';

export const keptFile = z
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

const caller = z.literal('caller');
const CALLER_OR_REFERENCE =
  'is neither "caller" nor a reference; write "caller", { "fromEnv": "NAME" }, { "fromFile": "path" } or, for a demo, { "unsafeInline": "…" }';

const maxCallers = z
  .int()
  .min(1)
  .max(10_000)
  .optional()
  .describe(
    'How many callers\' tokens are kept at once, where they are made from "caller"; the least recently used gives way. Default: 1000.',
  );

/** Fields that say something already: a subject never comes in one of them. */
const TAKEN_FIELDS =
  /^(?:authorization|proxy-authorization|host|connection|content-length|transfer-encoding|te|trailer|upgrade|expect|via|cookie)$/i;

const subjectKeys = {
  subjectField: fieldName
    .refine(
      (field) => !TAKEN_FIELDS.test(field),
      'is a field with a meaning of its own; choose another, or leave it out for "Authorization"',
    )
    .optional()
    .meta({ examples: ['X-SAML-Assertion'] })
    .describe(
      'The field in which the caller brings the subject, where that is "caller"; it never reaches the upstream. Default: the bearer token in "Authorization".',
    ),
  maxCallers,
};

export const passwordKeys = {
  resourceOwner: z
    .union(
      [
        z.strictObject({
          username: material().describe('User name of the account.'),
          password: secret().describe('Password of the account. A changed one is used from the next token request.'),
        }),
        caller,
      ],
      { error: 'is neither "caller" nor an account; write "caller", or an object with "username" and "password"' },
    )
    .describe(
      'Whose account the token is for. "caller": each caller\'s own, by the Basic credentials that it sends ("basic-passthrough").',
    ),
  maxCallers,
};

const tokenType = z
  .string()
  .regex(/^[A-Za-z][A-Za-z0-9+.-]*:[\x21-\x7e]+$/, 'is not a token type; give its URI, such as urn:ietf:params:oauth:token-type:jwt')
  .meta({ examples: ['urn:ietf:params:oauth:token-type:jwt'] });

const ACCESS_TOKEN = 'urn:ietf:params:oauth:token-type:access_token';

export const tokenExchangeKeys = {
  subject: z
    .union([secret(tokenProblem), caller], { error: CALLER_OR_REFERENCE })
    .describe(
      'The token that is exchanged; "caller": the one that each caller brings. Its file is read for each token request; where it says when it ends (a JWT by "exp", a SAML assertion by "NotOnOrAfter"), what it was exchanged for ends no later.',
    ),
  ...subjectKeys,
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
  subject: z
    .union([secretOr({ sign: signedSubject.optional() }, jwtProblem), caller], { error: CALLER_OR_REFERENCE })
    .describe(
      'The assertion: a JWT whose file is read for each token request, or under "sign" the claims of one that we sign; "caller": the one that each caller brings.',
    ),
  ...subjectKeys,
};

export const saml2BearerKeys = {
  subject: z
    .union([secret(samlAssertionProblem), caller], { error: CALLER_OR_REFERENCE })
    .describe(
      'The SAML 2.0 assertion, as XML. Its file is read for each token request. "caller": the one that each caller brings in "subjectField", in base64 or base64url.',
    ),
  ...subjectKeys,
};
