/** `callers`: who may call, and how each proves it. */

import * as z from 'zod';
import { callersFileProblem } from '../callers-file.ts';
import { passwordHashProblem } from '../contents.ts';
import { Secret } from '../secret.ts';
import { material } from './references.ts';
import { oneOrMore } from './values.ts';

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

export const caller = z
  .strictObject({
    basic: basic.optional().describe('A user name and password in Basic credentials (RFC 7617).'),
    mtls: mtls
      .optional()
      .describe(
        'A client certificate that chains to the "clientCa" of the listener; everything given here must match, and at least one thing must be given.',
      ),
  })
  .refine((entry) => entry.basic !== undefined || entry.mtls !== undefined, 'has no way to authenticate; give "basic" or "mtls"');

export const callersFile = z
  .string()
  .min(1, 'is empty; give the path of an htpasswd file')
  .meta({ examples: ['callers.htpasswd'] })
  .transform((path) => new Secret({ fromFile: path }, { confidential: false, mayBeEmpty: true, check: callersFileProblem }));

export type CallerConfig = z.output<typeof caller>;
