/** `callers`: who may call, and how each proves it. */

import * as z from 'zod';
import { callersFileProblem } from '../callers-file.ts';
import { passwordHashProblem, tokenProblem } from '../contents.ts';
import { Secret } from '../secret.ts';
import { VERIFICATION_ALGORITHMS, verificationKeysProblem } from '../verification-keys.ts';
import { proxy } from './proxy.ts';
import { material, secret, trustedCa } from './references.ts';
import { duration, httpUrl, oneOrMore } from './values.ts';

const basic = z.strictObject({
  username: z
    .string()
    .regex(/^[^:\p{Cc}]+$/u, 'is not a usable user name; it must not be empty or hold ":" or control characters (RFC 7617)')
    .optional()
    .describe("User name in the credentials. Default: the caller's name."),
  passwordHash: oneOrMore(material(passwordHashProblem)).describe(
    'What `token-broker hash-password` prints (argon2id), a scrypt hash of that form, or a bcrypt hash of `htpasswd -B`; with a list, each of its passwords is right.',
  ),
});

const mtls = z
  .strictObject({
    uri: z
      .string()
      .min(1, 'is empty; remove it')
      .optional()
      .describe('A URI among the alternative names, such as a SPIFFE ID; "*" stands for part of one path segment, never of the host.'),
    dns: z
      .string()
      .min(1, 'is empty; remove it')
      .optional()
      .describe('A DNS name among the alternative names, in any case; "*" stands for part of one label.'),
    fingerprint: z
      .string()
      .regex(/^(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/, 'is not a SHA-256 fingerprint; give 64 hex digits, with or without colons')
      .transform((text) => text.replaceAll(':', '').toLowerCase())
      .optional()
      .describe('SHA-256 of the certificate: 64 hex digits, with or without colons.'),
    commonName: z
      .string()
      .min(1, 'is empty; remove it')
      .optional()
      .describe('Common name of the subject; looked at only in certificates without alternative names.'),
  })
  .refine(
    (rule) => Object.values(rule).some((value) => value !== undefined),
    'names nothing to match; give "uri", "dns", "fingerprint" or "commonName"',
  );

const claim = z.union([z.string().min(1, 'is empty; give a value, or remove it'), z.number(), z.boolean()], {
  error: 'is no claim that can be compared; give a text, a number, true or false',
});

const jwt = z.strictObject({
  issuer: z
    .string()
    .min(1, 'is empty; give the "iss" of the tokens')
    .meta({ examples: ['https://idp.example.com'] })
    .describe(
      'The `iss` of the token, compared byte for byte. Its keys are found by OpenID Connect discovery, then RFC 8414 where that is 404, unless "jwksUri" or "keys" says where they are.',
    ),
  audience: z
    .string()
    .min(1, 'is empty; give what the tokens have as "aud"')
    .meta({ examples: ['token-broker'] })
    .describe('Must be the `aud` of the token, or one of them, byte for byte.'),
  claims: z
    .record(z.string().min(1, 'is empty; give the name of a claim'), oneOrMore(claim))
    .refine((map) => Object.keys(map).length > 0, 'is empty: it would let in whoever has a token of the issuer; name at least one claim')
    .meta({ examples: [{ sub: 'batch-*' }] })
    .describe(
      'What the token must say besides; all of it must fit. A list here allows each of its values; a list in the token fits if one of its members does, and so do the words of `scope` and `scp`. "*" stands for part of one segment, and segments end at "/", ":", "@", "|", "," and spaces. A name that begins with "/" is a JSON Pointer (RFC 6901), such as "/realm_access/roles".',
    ),
  algorithms: z
    .array(z.enum(VERIFICATION_ALGORITHMS, { error: `is not an algorithm that is accepted; use ${VERIFICATION_ALGORITHMS.join(', ')}` }))
    .min(1, 'is an empty list; remove it for all of them')
    .default([...VERIFICATION_ALGORITHMS])
    .describe('Accepted signature algorithms. Default: all of these, none of which works with a shared secret.'),
  jwksUri: httpUrl.optional().describe('Where the keys of the issuer are, as a JWK set; with it, no metadata is read.'),
  keys: material(verificationKeysProblem)
    .optional()
    .describe(
      'The keys of the issuer themselves: PEM public keys or certificates, or a JWK set. Nothing is fetched then. The file is watched.',
    ),
  bearerToken: secret(tokenProblem)
    .optional()
    .describe('Sent as a bearer token with the request to "jwksUri", for servers that do not show their keys to everybody (Kubernetes).'),
  keysMaxAge: duration({ minMs: 1000 })
    .prefault('10m')
    .describe('The keys are read again in the background after this long; when that fails, the last good ones are kept.'),
  clockTolerance: duration({ minMs: 0, maxMs: 300_000 })
    .prefault('30s')
    .describe('How far the clock of the issuer may differ from ours, for `exp`, `nbf` and `iat`.'),
  tls: z
    .strictObject({
      ca: trustedCa(' The file is watched.'),
    })
    .prefault({})
    .describe('How the server with the keys is recognized.'),
  proxy: proxy.describe('HTTP proxy on the way to the server with the keys.'),
});

export type JwtConfig = z.output<typeof jwt>;

const negotiate = z.strictObject({
  principal: oneOrMore(
    z
      .string()
      .regex(
        /^[^@/\\\p{Cc}]+(?:\/[^@/\\\p{Cc}]+)*@[^*@/\\\p{Cc}]+$/u,
        'is no principal; write NAME@REALM, such as "ann@EXAMPLE.COM" or "host/*@EXAMPLE.COM", with "*" in the name alone',
      )
      .meta({ examples: ['ann@EXAMPLE.COM'] }),
  ).describe(
    'Whom the ticket must be of, as NAME@REALM, byte for byte; with a list, one of them. "*" stands for part of one component of the name, never of the realm.',
  ),
});

export type NegotiateConfig = z.output<typeof negotiate>;

export const caller = z
  .strictObject({
    basic: basic.optional().describe('A user name and password in Basic credentials (RFC 7617).'),
    mtls: mtls
      .optional()
      .describe(
        'A client certificate that chains to the "clientCa" of the listener; everything given here must match, and at least one thing must be given. Of callers that it fits, the narrowest is meant.',
      ),
    jwt: jwt
      .optional()
      .describe(
        'A signed JWT as bearer token (RFC 6750, RFC 7519); everything given here must fit. Of callers that a token fits, the narrowest is meant.',
      ),
    negotiate: negotiate
      .optional()
      .describe('A ticket of Kerberos in Negotiate credentials (RFC 4559). Of callers that a principal fits, the narrowest is meant.'),
  })
  .refine(
    (entry) => Object.values(entry).some((way) => way !== undefined),
    'has no way to authenticate; give "basic", "mtls", "jwt" or "negotiate"',
  );

export const callersFile = z
  .string()
  .min(1, 'is empty; give the path of an htpasswd file')
  .meta({ examples: ['callers.htpasswd'] })
  .transform((path) => new Secret({ fromFile: path }, { confidential: false, mayBeEmpty: true, check: callersFileProblem }));

export type CallerConfig = z.output<typeof caller>;
