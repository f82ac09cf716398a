/** `authorizationServers`: who issues tokens, and how to reach them. */

import * as z from 'zod';
import { certificatesProblem } from '../contents.ts';
import { material } from './references.ts';
import { duration, httpUrl } from './values.ts';

export const authorizationServer = z
  .strictObject({
    issuer: httpUrl
      .refine((text) => !text.includes('?'), 'holds a query; an issuer identifier has none (RFC 8414 §2)')
      .optional()
      .describe('Issuer identifier; endpoints come from its metadata: OIDC discovery, then RFC 8414.'),
    metadataUrl: httpUrl
      .optional()
      .describe('Where the metadata document lives when it is not at a well-known place; the issuer is still checked.'),
    metadataMaxAge: duration({ minMs: 1000 }).prefault('1h').describe('The metadata is read again in the background after this long.'),
    tokenEndpoint: httpUrl.optional().describe('Token endpoint; overrides or replaces the metadata.'),
    tokenTypes: z
      .array(z.string().max(100))
      .min(1, 'is an empty list; remove it for ["Bearer"]')
      .default(['Bearer'])
      .describe('Accepted token_type values, without regard to case; "" accepts a missing one.'),
    timeout: duration({ minMs: 100, maxMs: 300_000 })
      .prefault('10s')
      .describe('For one attempt of a call, from connecting to the last byte.'),
    connectTimeout: duration({ minMs: 100, maxMs: 300_000 }).prefault('2s').describe('For connecting, TLS included.'),
    tls: z
      .strictObject({ ca: material(certificatesProblem).optional().describe("PEM certificates to trust instead of the system's.") })
      .prefault({})
      .describe('How it is recognized.'),
    unsafeHttp: z.literal(true).optional().describe('Allows http to a host that is not loopback: client secrets travel in the clear.'),
  })
  .refine((entry) => entry.issuer !== undefined || entry.tokenEndpoint !== undefined, 'names no server; give "issuer" or "tokenEndpoint"');

export type AuthorizationServerConfig = z.output<typeof authorizationServer>;
