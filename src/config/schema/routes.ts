/** `routes`: which caller may go where, with which token. */

import * as z from 'zod';
import { certificatesProblem, fieldValueProblem, privateKeyProblem } from '../contents.ts';
import { proxy } from './proxy.ts';
import { material, secret, trustedCa } from './references.ts';
import { callerNames, duration, fieldName, hostName, httpUrl, isSocketPath, LONGEST_TIMER_MS, name, size } from './values.ts';

const methodName = z.string().regex(/^[A-Z][A-Z-]{0,30}$/, 'is not a method; write it in capitals, such as "GET"');

/** Fields that routes may neither set nor remove: the broker states framing, routing and hop-by-hop fields itself. */
const RESERVED_FIELDS =
  /^(?:host|connection|keep-alive|proxy-connection|proxy-authorization|te|trailer|transfer-encoding|upgrade|content-length|expect|via|dpop)$/i;

const setField = fieldName.refine((field) => !RESERVED_FIELDS.test(field), 'is a field that the broker controls; choose another');

const upstream = httpUrl.refine(
  (text) => !URL.canParse(text) || new URL(text).search === '',
  "holds a query; remove it, since the caller's is passed on",
);

export const route = z.strictObject({
  path: z
    .string()
    .regex(
      /^\/(?:[\x21\x22\x24-\x3e\x40-\x5b\x5d-\x7e]*[\x21\x22\x24-\x2e\x30-\x3e\x40-\x5b\x5d-\x7e])?$/,
      'is not a path prefix; begin with "/", no "/" at the end, no "?", "#", "\\" or spaces',
    )
    .refine(
      (path) => !path.split('/').some((segment) => /^(?:\.|%2e){1,2}$/i.test(segment)),
      'holds a dot segment; write the path it stands for',
    )
    .meta({ examples: ['/orders'] })
    .describe(
      "Prefix by whole segments; the longest that this caller may use wins. It is replaced by the upstream's path; what follows passes byte for byte.",
    ),
  host: hostName.optional().describe('Only requests for this Host name, on any port; needed for whole URLs, as forward proxies are sent.'),
  methods: z
    .array(methodName)
    .min(1, 'is an empty list; remove it for every method')
    .optional()
    .describe(
      'Only these methods; "GET" brings "HEAD". A method that "X-HTTP-Method-Override" or the like puts in the place of the request\'s own must be among them, too. Default: every method but TRACE and CONNECT.',
    ),
  listeners: z
    .array(name)
    .min(1, 'is an empty list; remove it for every listener')
    .optional()
    .describe('Only requests that came in at these listeners.'),
  callers: callerNames.describe(
    'Who may use it; "*" is every authenticated caller, "anonymous" and "basic-passthrough" must be listed by name. Nothing listed: nobody.',
  ),
  token: z
    .union([name, z.null()])
    .describe('The token to send, or null for none: then the Authorization of the application passes, unless it was meant for the broker.'),
  upstream: upstream.describe('Where it goes: scheme, host, port, and the path that replaces the prefix.'),
  upstreamProtocol: z
    .enum(['http/1.1', 'h2', 'h2c'])
    .default('http/1.1')
    .describe(
      '"h2": HTTP/2 over TLS, as agreed by ALPN; an upstream that does not agree is 502. "h2c": HTTP/2 in the clear, for an upstream known to speak it.',
    ),
  upstreamSocket: z
    .string()
    .refine(isSocketPath, 'is not the path of a Unix socket; begin with "/", at most 107 bytes')
    .optional()
    .meta({ examples: ['/run/app.sock'] })
    .describe(
      'Unix socket to connect to instead of the host and port of "upstream", which still names the Host, the path and whether TLS is spoken.',
    ),
  proxy: proxy.describe(
    'HTTP proxy on the way to the upstream. An https upstream is reached by CONNECT, so that the proxy sees neither token nor request; an http one by sending the proxy the whole URL.',
  ),
  inject: z
    .strictObject({
      header: setField.default('Authorization').describe('The field that carries the token; one of that name from the caller is dropped.'),
      scheme: z
        .string()
        .regex(/^[A-Za-z0-9._~+-]*$/, 'is not an authentication scheme')
        .optional()
        .describe('Written before the token; "" for the bare token. Default: the type of the token, "Bearer" or "DPoP".'),
      challenge: z
        .string()
        .regex(/^[A-Za-z0-9._~+-]+$/, 'is not an authentication scheme')
        .optional()
        .meta({ examples: ['Token'] })
        .describe(
          'A scheme in "WWW-Authenticate" with which the upstream means the token, too, where it is not the one that the token is sent under.',
        ),
    })
    .prefault({})
    .describe('How the token is sent.'),
  headers: z
    .record(setField, material(fieldValueProblem))
    .default({})
    .describe('Fixed fields of each request, such as a subscription key; values may be secrets. They replace those of the caller.'),
  removeHeaders: z
    .array(setField)
    .default([])
    .meta({ examples: [['Cookie']] })
    .describe('Fields of the caller that do not reach the upstream, besides those that never do.'),
  upstreamTls: z
    .strictObject({
      ca: trustedCa(),
      cert: material(certificatesProblem).optional().describe('PEM client certificate chain, leaf first; needs "key".'),
      key: secret(privateKeyProblem).optional().describe('PEM private key of the client certificate, not encrypted.'),
      serverName: hostName.optional().describe("Name to ask for and to verify instead of the URL's."),
    })
    .refine((tls) => (tls.cert === undefined) === (tls.key === undefined), 'needs "cert" and "key" together')
    .prefault({})
    .describe('How the upstream is recognized, and what we show it. Files are watched: new connections use changed ones.'),
  hostHeader: z
    .string()
    .regex(/^[A-Za-z0-9.[\]:_-]+$/, 'is not a host')
    .optional()
    .describe("Sent as Host instead of the upstream's own."),
  timeouts: z
    .strictObject({
      connect: duration({ minMs: 100, maxMs: LONGEST_TIMER_MS })
        .prefault('5s')
        .describe('For connecting to the upstream, TLS included; longer is 504.'),
      response: duration({ minMs: 100 }).prefault('60s').describe('From the request sent to the head of the answer; longer is 504.'),
      idle: duration({ minMs: 100 }).prefault('60s').describe('Longest silence within the body of an answer; then it is cut short.'),
    })
    .prefault({})
    .describe('How long the upstream may take.'),
  pool: z
    .strictObject({
      maxConnections: z
        .int()
        .min(1)
        .max(65_535)
        .default(512)
        .describe('Most connections to the upstream at once; more requests wait in line.'),
      maxQueue: z
        .int()
        .min(0)
        .max(100_000)
        .default(1_024)
        .describe('Most requests in line for a connection, each for as long as connecting may take; more are 503.'),
      idleTimeout: duration({ minMs: 100 })
        .prefault('30s')
        .describe('How long an unused connection is kept; shorter where the upstream says so in Keep-Alive.'),
    })
    .prefault({})
    .describe('The connections that are kept for the next request.'),
  maxConnectionAge: duration({ minMs: 1_000 })
    .prefault('5m')
    .describe('How long a connection is used, so that changed addresses are found; what runs on it is finished.'),
  onUnauthorized: z
    .enum(['renew', 'pass'])
    .default('renew')
    .describe(
      '"renew": a 401 of the upstream that is about the token leads to another token and one replay. "pass": it is passed on as it is.',
    ),
  replayBuffer: size({ min: 0, max: 16 * 1024 ** 2 })
    .prefault('64KiB')
    .describe('Longest body of a request that is kept to be sent again after a 401; with a longer one the 401 is passed on.'),
  maxBody: size().optional().describe('Largest body of a request; a larger one is 413. Default: no limit, since bodies are streamed.'),
  rewriteLocation: z
    .boolean()
    .default(true)
    .describe('Maps Location and Content-Location of the upstream, by its own name or that of "hostHeader", back to the listener.'),
  forwarded: z.boolean().default(false).describe('Adds Forwarded and X-Forwarded-* of our own. Those of the caller never pass.'),
  via: z.boolean().default(true).describe('Adds this broker to Via (RFC 9110 §7.6.3).'),
  upgrade: z
    .boolean()
    .default(false)
    .describe(
      'Lets callers change the protocol, as WebSocket does: "Upgrade" is passed on, and after the upstream\'s 101 bytes go both ways until both sides end or "timeouts.idle" passes in silence. Without it "Upgrade" is removed, and the request goes on as an ordinary one.',
    ),
  unsafeHttp: z.literal(true).optional().describe('Allows an http upstream that is not loopback: the token travels in the clear.'),
});

export type RouteConfig = z.output<typeof route>;
