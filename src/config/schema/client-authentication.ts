/** `tokens.*.clientAuthentication`: how we prove to be the client; each method has exactly its keys. */

import * as z from 'zod';
import { certificatesProblem, jwtProblem, privateKeyProblem, signingKeyProblem } from '../contents.ts';
import { SIGNING_ALGORITHMS } from '../signing-key.ts';
import { material, secret } from './references.ts';
import { oneOrMore } from './values.ts';

/** Names of RFC 7591 §2 and RFC 8705 §2. */
export const METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'client_secret_jwt',
  'private_key_jwt',
  'tls_client_auth',
  'self_signed_tls_client_auth',
  'none',
] as const;

const secrets = oneOrMore(secret()).describe(
  'The client secret. A changed one is used from the next token request; the token at hand stays. In a list, where one is refused the next is tried, and the one that works comes first from then on.',
);

export const assertionAudience = z
  .string()
  .min(1, 'is empty; remove it for the default')
  .optional()
  .describe('For whom the assertion is meant, its "aud". Default: the issuer of the authorization server, else its token endpoint.');

const basic = z.strictObject({
  // A discriminator that may be absent: `optional` makes it known to the union, `default` fills it.
  method: z
    .literal('client_secret_basic')
    .optional()
    .default('client_secret_basic')
    .describe('Client id and secret in the Authorization field (RFC 6749 §2.3.1). The default.'),
  secret: secrets,
  encoding: z
    .enum(['form', 'raw'])
    .default('form')
    .describe('"form": id and secret form-encoded first, as the RFC says. "raw": as they are, for servers that do not decode.'),
});

const post = z.strictObject({
  method: z.literal('client_secret_post').describe('Client id and secret in the form (RFC 6749 §2.3.1).'),
  secret: secrets,
});

const secretJwt = z.strictObject({
  method: z.literal('client_secret_jwt').describe('A short-lived assertion under the secret, which itself is never sent (RFC 7523 §2.2).'),
  secret: secrets,
  alg: z.enum(['HS256', 'HS384', 'HS512']).default('HS256').describe('How the assertion is signed with the secret.'),
  audience: assertionAudience,
});

export const keyId = material(keyIdProblem);

/** Those whose proof is a secret that both sides know. */
export const secretMethods = [basic, post, secretJwt] as const;

/** Only for assertions that we sign ourselves. */
const SIGNING_KEYS = ['kid', 'alg', 'certificate', 'audience'] as const;

const privateKeyJwt = z
  .strictObject({
    method: z
      .literal('private_key_jwt')
      .describe('A short-lived assertion signed with "key" (RFC 7523 §2.2), or one that somebody else keeps in the file of "assertion".'),
    key: secret(signingKeyProblem)
      .optional()
      .describe('PEM private key, not encrypted: RSA of 2048 bits or more, P-256 or Ed25519. A changed one signs the next token request.'),
    kid: keyId
      .optional()
      .describe('Id under which the server knows the key: text, or a reference where it changes with the key. Default: none is sent.'),
    alg: z
      .enum(SIGNING_ALGORITHMS)
      .optional()
      .describe('How the assertion is signed with the key. Default: what fits it; for RSA that is RS256.'),
    certificate: material(certificatesProblem)
      .optional()
      .describe('PEM certificate of the key, its chain after it: the assertion then names it ("x5t#S256") and holds it ("x5c").'),
    audience: assertionAudience,
    assertion: secret(jwtProblem)
      .optional()
      .describe('Instead of "key": an assertion made elsewhere, such as a Kubernetes projected token. Its file is read for each request.'),
    assertionType: z
      .string()
      .regex(/^[\x21-\x7e]+$/, 'is not a URI')
      .optional()
      .describe(
        'client_assertion_type, where "assertion" is of another kind. Default: urn:ietf:params:oauth:client-assertion-type:jwt-bearer.',
      ),
  })
  .superRefine((config, context) => {
    if ((config.key === undefined) === (config.assertion === undefined)) context.addIssue('needs either "key" or "assertion"');
    const misplaced = config.key === undefined ? SIGNING_KEYS : (['assertionType'] as const);
    for (const key of misplaced.filter((name) => config[name] !== undefined)) {
      const only = config.key === undefined ? 'key' : 'assertion';
      context.addIssue({ code: 'custom', path: [key], message: `is for "${only}" only; remove it` });
    }
  });

/** Keys of whatever shows a client certificate to an authorization server. */
export const clientCertificate = {
  certificate: material(certificatesProblem).describe(
    'PEM client certificate, its chain after it. A changed one is used from the next request.',
  ),
  key: secret(privateKeyProblem).describe('PEM private key of the certificate, not encrypted.'),
};

const tls = z.strictObject({
  method: z
    .literal('tls_client_auth')
    .describe(
      "A client certificate that the server's authority vouches for (RFC 8705 §2.1). Goes to the mTLS alias of the endpoint, if any.",
    ),
  ...clientCertificate,
});

const selfSignedTls = z.strictObject({
  method: z.literal('self_signed_tls_client_auth').describe('A client certificate that the server knows itself (RFC 8705 §2.2).'),
  ...clientCertificate,
});

const none = z.strictObject({
  method: z.literal('none').describe('Only the client id: for public clients, which have nothing to prove themselves with.'),
});

export const clientAuthentication = z.discriminatedUnion('method', [basic, post, secretJwt, privateKeyJwt, tls, selfSignedTls, none], {
  error: `is not a supported client authentication method; use one of ${METHODS.map((method) => `"${method}"`).join(', ')}`,
});

export type ClientAuthenticationConfig = z.output<typeof clientAuthentication>;

function keyIdProblem(text: string): string | undefined {
  return /^[^\p{Cc}]{1,1000}$/u.test(text) ? undefined : 'is not a key id; give one line of text';
}
