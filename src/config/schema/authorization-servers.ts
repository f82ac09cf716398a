/** `authorizationServers`: who issues tokens, and how to reach them. */

import * as z from 'zod';
import { fieldValueProblem } from '../contents.ts';
import { proxy } from './proxy.ts';
import { material, trustedCa } from './references.ts';
import { duration, fieldName, httpUrl } from './values.ts';

/** What frames a message, or names its receiver. */
const FRAMING_FIELDS = /^(?:host|content-length|transfer-encoding|connection|expect)$/i;

const initiation = z.strictObject({
  method: z.enum(['GET', 'HEAD', 'POST', 'PUT']).default('GET').describe('Method of the request.'),
  url: httpUrl.describe('Where it goes. Redirects are not followed.'),
  headers: z
    .record(fieldName, material(fieldValueProblem))
    .superRefine((map, context) => {
      for (const key of Object.keys(map).filter((name) => FRAMING_FIELDS.test(name)))
        context.addIssue({ code: 'custom', path: [key], message: 'is set by the broker itself; remove it' });
    })
    .default({})
    .describe('Its header fields; values may be secrets.'),
  body: material().optional().describe('Its body, as it is sent; say what it is in "headers".'),
});

export const authorizationServer = z
  .strictObject({
    issuer: httpUrl
      .refine((text) => !text.includes('?'), 'holds a query; an issuer identifier has none (RFC 8414 §2)')
      .refine((text) => !text.includes('/.well-known/'), 'is where a metadata document stands; give the "issuer" that is in that document')
      .optional()
      .describe(
        'Issuer identifier, compared byte for byte. Its metadata names the token endpoint: OpenID Connect discovery, then RFC 8414 where that is 404.',
      ),
    metadataUrl: httpUrl
      .optional()
      .describe('Where the metadata document is, when not at a well-known place. Needs "issuer", which the document must name.'),
    metadataMaxAge: duration({ minMs: 1000 })
      .prefault('1h')
      .describe('The metadata is read again in the background after this long; when that fails, the last good one is kept.'),
    tokenEndpoint: httpUrl.optional().describe('Token endpoint; with it, no metadata is read.'),
    revocationEndpoint: httpUrl
      .optional()
      .describe('Where tokens are given back (RFC 7009), instead of what the metadata names; needed beside "tokenEndpoint".'),
    registrationEndpoint: httpUrl
      .optional()
      .describe('Where clients register themselves (RFC 7591), instead of what the metadata names; needed beside "tokenEndpoint".'),
    initiation: initiation
      .optional()
      .describe(
        'A request to make before the first token request, and again after one that failed; anything but 2xx is a transient failure.',
      ),
    tokenTypes: z
      .array(
        z
          .string()
          .max(100)
          .refine((type) => type.toLowerCase() !== 'dpop', 'is accepted for tokens with "dpop", and for no others; remove it'),
      )
      .min(1, 'is an empty list; remove it for ["Bearer"]')
      .default(['Bearer'])
      .describe('Accepted values of token_type, in any case; "" accepts a missing one.'),
    timeout: duration({ minMs: 100, maxMs: 300_000 })
      .prefault('10s')
      .describe('For one call, from connecting to the last byte. Callers wait 10s for a token at most, whatever stands here.'),
    connectTimeout: duration({ minMs: 100, maxMs: 300_000 }).prefault('2s').describe('For connecting, TLS included; part of "timeout".'),
    tls: z
      .strictObject({
        ca: trustedCa(' The file is watched.'),
      })
      .prefault({})
      .describe('How the server is recognized.'),
    proxy: proxy.describe('HTTP proxy on the way to the server. An https server is reached by CONNECT: the proxy sees no secret.'),
    unsafeHttp: z
      .literal(true)
      .optional()
      .describe('Allows http to a host that is not loopback: client secrets and tokens travel in the clear.'),
  })
  .refine((entry) => entry.issuer !== undefined || entry.tokenEndpoint !== undefined, 'names no server; give "issuer" or "tokenEndpoint"');

export type AuthorizationServerConfig = z.output<typeof authorizationServer>;
