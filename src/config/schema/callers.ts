/** `callers`: who may call, and how each proves it. */

import * as z from 'zod';
import { material, name, oneOrMore, strictObject } from './values.ts';

const basic = strictObject({
  username: z
    .string()
    .regex(/^[^:\u0000-\u001f\u007f]+$/, 'is not a usable user name; it must not be empty or hold ":" or control characters (RFC 7617)')
    .optional()
    .describe('Default: the caller\'s name.'),
  passwordHash: oneOrMore(material).describe('What `token-broker hash-password` prints (argon2id or scrypt); a list lets two passwords overlap.'),
});

const mtls = strictObject({
  uri: z.string().min(1).optional().describe('URI SAN, such as a SPIFFE ID; "*" matches within one path segment.'),
  dns: z.string().min(1).optional().describe('DNS SAN; "*" matches within one label.'),
  fingerprint: z
    .string()
    .regex(/^(?:[0-9A-Fa-f]{2}:?){31}[0-9A-Fa-f]{2}$/, 'is not a SHA-256 fingerprint; give 64 hex digits, with or without colons')
    .transform((text) => text.replaceAll(':', '').toLowerCase())
    .optional()
    .describe('SHA-256 of the certificate.'),
  commonName: z.string().min(1).optional().describe('Subject common name; looked at only in certificates without SANs.'),
}).refine((rule) => Object.values(rule).some((value) => value !== undefined), 'names nothing to match; give "uri", "dns", "fingerprint" or "commonName"');

export const caller = strictObject({ basic: basic.optional(), mtls: mtls.optional() }).refine(
  (entry) => entry.basic !== undefined || entry.mtls !== undefined,
  'has no way to authenticate; give "basic" or "mtls"',
);

export const callers = z.record(name, caller);

export type CallerConfig = z.output<typeof caller>;
