/** `tokens.*.registration`: a client that enrols itself, in place of one that somebody has registered. */

import * as z from 'zod';
import { encryptionKeyProblem, signingKeyProblem, tokenProblem } from '../contents.ts';
import { SIGNING_ALGORITHMS } from '../signing-key.ts';
import { assertionAudience, keyId, secretMethods } from './client-authentication.ts';
import { keptFile } from './grants.ts';
import { secret } from './references.ts';

const [basic, post, secretJwt] = secretMethods;

const privateKeyJwt = z.strictObject({
  method: z.literal('private_key_jwt').describe('A short-lived assertion signed with "key"; the server is sent the public key.'),
  key: secret(signingKeyProblem).describe(
    'PEM private key, not encrypted: RSA of 2048 bits or more, P-256 or Ed25519. A changed one leads to a new registration.',
  ),
  kid: keyId.optional().describe('Id of the key, in what is registered and in each assertion. Default: none.'),
  alg: z.enum(SIGNING_ALGORITHMS).optional().describe('How the assertion is signed. Default: what fits the key; for RSA that is RS256.'),
  audience: assertionAudience,
});

const methods = [basic.omit({ secret: true }), post.omit({ secret: true }), secretJwt.omit({ secret: true }), privateKeyJwt] as const;

/** They are made from the rest of the config, or are the server's to give. */
const OWN_METADATA = ['client_id', 'client_secret', 'token_endpoint_auth_method', 'token_endpoint_auth_signing_alg', 'jwks', 'jwks_uri'];

export const registration = z.strictObject({
  clientAuthentication: z
    .discriminatedUnion('method', methods, {
      error:
        'is not a method that can be registered; use "client_secret_basic", "client_secret_post", "client_secret_jwt" or "private_key_jwt"',
    })
    .prefault({})
    .describe('How the client will prove itself: a method without its secret, which the server gives.'),
  initialAccessToken: secret(tokenProblem)
    .optional()
    .describe('Shown to the server for the right to register. Needed for each registration, not for tokens.'),
  metadata: z
    .record(z.string().min(1), z.unknown())
    .superRefine((map, context) => {
      for (const key of OWN_METADATA.filter((name) => name in map))
        context.addIssue({ code: 'custom', path: [key], message: 'is written by the broker; remove it' });
    })
    .default({})
    .describe(
      'More client metadata (RFC 7591 §2), with any JSON as value. Replaces the default "client_name", "grant_types", "redirect_uris", "response_types" and "scope"; null leaves one out.',
    ),
  persist: keptFile.describe(
    'Path of a file, relative to this config, where the registration is kept, encrypted, mode 0600. Its folder must be writable.',
  ),
  persistKey: secret(encryptionKeyProblem).describe(
    'What the file at "persist" is encrypted with (AES-256-GCM): base64 of 32 random bytes, `openssl rand -base64 32`.',
  ),
});

export type RegistrationConfig = z.output<typeof registration>;
