/** `listeners`: where callers connect, and how they must prove who they are. */

import * as z from 'zod';
import { certificatesProblem, privateKeyProblem, revocationListsProblem } from '../contents.ts';
import { Keytab } from '../keytab.ts';
import { material, secret } from './references.ts';
import { socketAccess } from './socket-access.ts';
import { address, duration, hostName, LONGEST_TIMER_MS, oneOrMore, size } from './values.ts';

const tls = z
  .strictObject({
    cert: material(certificatesProblem).describe('PEM certificate chain, leaf first. The file is watched.'),
    key: secret(privateKeyProblem).describe('PEM private key of the leaf, not encrypted. The file is watched.'),
    clientCa: material(certificatesProblem)
      .optional()
      .describe('PEM certificates that client certificates must chain to; needed by "mtls". The file is watched.'),
    crl: material(revocationListsProblem)
      .optional()
      .describe(
        'PEM revocation lists. With any, every CA of the chain needs a current one, else its clients are refused. The file is watched.',
      ),
    minVersion: z.enum(['TLSv1.2', 'TLSv1.3']).default('TLSv1.2').describe('The least version of TLS; older ones are refused.'),
  })
  .describe('TLS towards callers. New handshakes use changed files; a broken file keeps the old ones.');

const limits = z.strictObject({
  maxHeader: size({ min: 1024, max: 1024 ** 2 })
    .prefault('16KiB')
    .describe('Longest head of a request: its first line and its fields. More is 431.'),
  maxFields: z.int().min(1).max(10_000).default(100).describe('Most field lines of a request. More is 431.'),
  maxTarget: size({ min: 64, max: 1024 ** 2 })
    .prefault('8KiB')
    .describe('Longest request target: path and query. More is 414.'),
  headTimeout: duration({ maxMs: LONGEST_TIMER_MS })
    .prefault('10s')
    .describe(
      'How long the head of a request may take, counted for the first one from connecting; longer is 408. Also for the TLS handshake.',
    ),
  idleTimeout: duration({ maxMs: LONGEST_TIMER_MS })
    .prefault('60s')
    .describe(
      'How long a connection may be silent: between requests it is then closed, in the middle of a request body the answer is 408.',
    ),
  maxStreams: z
    .int()
    .min(1)
    .max(1_000)
    .default(100)
    .describe('Most requests at once on one connection of HTTP/2. Another is refused, unprocessed: its sender may send it again.'),
  maxConnections: z.int().min(1).max(1_000_000).default(10_000).describe('Most connections at once; more are closed without an answer.'),
});

const negotiate = z
  .strictObject({
    keytab: z
      .string()
      .min(1, 'is empty; give the path of a keytab')
      .meta({ examples: ['/etc/token-broker/http.keytab'] })
      .transform((path) => new Keytab(path))
      .describe(
        'Path of the keytab with the keys of the service, relative to this config. It is read for each request, so a changed one counts at once. All listeners name the same one.',
      ),
    principal: oneOrMore(
      z
        .string()
        .regex(/^[^@\p{Cc}]+@[^@\p{Cc}]+$/u, 'is no principal; write it in full, such as "HTTP/broker.example.com@EXAMPLE.COM"')
        .meta({ examples: ['HTTP/broker.example.com@EXAMPLE.COM'] }),
    )
      .optional()
      .describe('What tickets must be for: principals of the keytab, byte for byte. Default: each "HTTP/…" that the keytab has keys of.'),
  })
  .describe('How tickets of Kerberos are read, where "negotiate" is accepted.');

export const DIALECTS = ['nginx', 'envoy', 'traefik', 'caddy', 'haproxy'] as const;

export const listener = z.strictObject({
  address,
  serve: z
    .enum(['proxy', 'ext-authz', 'token-endpoint'], {
      error: 'is not known to be served; use "proxy", "ext-authz" or "token-endpoint"',
    })
    .default('proxy')
    .describe(
      'What callers find there. "proxy": the upstreams of the routes. "ext-authz": the token alone, for a proxy that asks about a request and sends it on itself (docs/ext-authz.md). "token-endpoint": the tokens themselves, at /tokens/NAME, for who is listed in "callers" of the token.',
    ),
  dialect: z
    .enum(DIALECTS, { error: `is not a proxy that can ask; use one of ${DIALECTS.map((each) => `"${each}"`).join(', ')}` })
    .optional()
    .describe(
      'With "serve": "ext-authz", which proxy asks, and so the one place where the method, host and URI of its request are read. "nginx": X-Original-Method and X-Original-URL. "traefik", "caddy", "haproxy": X-Forwarded-Method, X-Forwarded-Host and X-Forwarded-Uri. "envoy": the method, target and Host of the check itself.',
    ),
  maxReuse: duration({ minMs: 0 })
    .optional()
    .describe('With "serve": "ext-authz", how long the proxy may reuse an answer at most; "0s": not at all. Default: 60s.'),
  authenticate: z
    .array(
      z.enum(['basic', 'mtls', 'jwt', 'negotiate', 'basic-passthrough', 'anonymous'], {
        error: 'is not a known way to authenticate; use "basic", "mtls", "jwt", "negotiate", "basic-passthrough" or "anonymous"',
      }),
    )
    .min(1, 'is empty; name at least one of "basic", "mtls", "jwt", "negotiate", "basic-passthrough", "anonymous"')
    .meta({ examples: [['basic']] })
    .describe(
      'Ways to authenticate, in order: the first that finds credentials decides. Wrong credentials are refused, never taken for "anonymous". "basic-passthrough" lets the authorization server judge: it opens only routes whose token has the resource owner "caller".',
    ),
  protocols: z
    .array(z.enum(['http/1.1', 'h2', 'h2c'], { error: 'is not a protocol that callers can speak; use "http/1.1", "h2" or "h2c"' }))
    .min(1, 'is empty; name at least one of "http/1.1", "h2", "h2c"')
    .default(['http/1.1'])
    .meta({ examples: [['http/1.1', 'h2']] })
    .describe(
      'Versions of HTTP that callers may speak. "h2" is HTTP/2 over TLS, as agreed by ALPN. "h2c" is HTTP/2 in the clear, for callers that know it beforehand: without "tls" only. Both share the port with "http/1.1".',
    ),
  hosts: z
    .array(hostName)
    .min(1, 'is an empty list; name a host, or remove it')
    .optional()
    .describe(
      'Accepted Host names, on any port; another is 403. Default: any, but loopback names only where "anonymous" is accepted on TCP.',
    ),
  tls: tls.optional(),
  negotiate: negotiate.optional(),
  ...socketAccess,
  limits: limits.prefault({}).describe('What a connection or a request may cost before it is refused.'),
  unsafeAnonymous: z
    .literal(true)
    .optional()
    .describe('Allows "anonymous" on an address that is not loopback: who can reach it is let in.'),
  unsafePlaintext: z
    .literal(true)
    .optional()
    .describe(
      'Allows Basic, bearer tokens, Negotiate, or handing out tokens, without TLS on an address that is not loopback: passwords and tokens travel in the clear.',
    ),
});

export type ListenerConfig = z.output<typeof listener>;
