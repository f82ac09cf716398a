/** `listeners`: where callers connect, and how they must prove who they are. */

import * as z from 'zod';
import { certificatesProblem, privateKeyProblem, revocationListsProblem } from '../contents.ts';
import { material, secret } from './references.ts';
import { address, duration, hostName, size } from './values.ts';

const tls = z
  .strictObject({
    cert: material(certificatesProblem).describe('PEM certificate chain, leaf first. The file is watched.'),
    key: secret(privateKeyProblem).describe('PEM private key of the leaf. The file is watched.'),
    clientCa: material(certificatesProblem)
      .optional()
      .describe('PEM certificates that client certificates must chain to; needed by "mtls".'),
    crl: material(revocationListsProblem).optional().describe('PEM revocation lists. Every CA of the chain then needs a current one.'),
    minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2').describe('Older versions are refused.'),
  })
  .describe('TLS of the listener; new handshakes use changed files, a broken file keeps the old ones.');

const limits = z.strictObject({
  maxHeader: size({ min: 1024, max: 1024 ** 2 })
    .prefault('16KiB')
    .describe('Request head in bytes; more is 431.'),
  maxFields: z.int().min(1).max(10_000).default(100).describe('Field lines of a request; more is 431.'),
  maxTarget: size({ min: 64, max: 1024 ** 2 })
    .prefault('8KiB')
    .describe('Request target in bytes; more is 414.'),
  headTimeout: duration().prefault('10s').describe('From the first byte of a request to the end of its head; longer is 408.'),
  idleTimeout: duration().prefault('60s').describe('How long a connection may be silent between requests.'),
  maxConnections: z.int().min(1).max(1_000_000).default(10_000).describe('More are turned away at once.'),
});

export const listener = z.strictObject({
  address,
  authenticate: z
    .array(z.enum(['basic', 'mtls', 'anonymous'], { error: 'is not a known way to authenticate; use "basic", "mtls" or "anonymous"' }))
    .min(1, 'is empty; name at least one of "basic", "mtls", "anonymous"')
    .meta({ examples: [['basic']] })
    .describe('Ways to authenticate, in order: the first that finds credentials decides.'),
  hosts: z
    .array(hostName)
    .min(1, 'is an empty list; name a host, or remove it')
    .optional()
    .describe('Accepted Host names. Default: any; where "anonymous" is accepted, loopback names only.'),
  tls: tls.optional(),
  mode: z
    .string()
    .regex(/^0?[0-7]{3}$/, 'is not a file mode; write it in octal, such as "0660"')
    .optional()
    .describe('File mode of a Unix socket.'),
  limits: limits.prefault({}).describe('What a connection may cost.'),
  unsafeAnonymous: z.literal(true).optional().describe('Allows "anonymous" on an address that is not loopback.'),
  unsafePlaintext: z.literal(true).optional().describe('Allows Basic without TLS on an address that is not loopback.'),
});

export type ListenerConfig = z.output<typeof listener>;
