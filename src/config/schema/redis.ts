/** `store.redis`: one server, a cluster, or the master that sentinels name, and how to log in there. */

import * as z from 'zod';
import { certificatesProblem, privateKeyProblem, redisUrlProblem } from '../contents.ts';
import { Secret } from '../secret.ts';
import { material, secret, trustedCa } from './references.ts';
import { duration, hostName, parseAddress } from './values.ts';

/** Written out only when there is no password in it. */
const plainRedisUrl = z
  .string()
  .refine((text) => !URL.canParse(text) || new URL(text).password === '', 'holds a password; give the URL by reference')
  .meta({ examples: ['rediss://redis:6379'] })
  .transform((text) => new Secret({ unsafeInline: text }, { confidential: false, check: redisUrlProblem }));

const node = z
  .string()
  .meta({ examples: ['redis-1:6379'] })
  .transform((text, context) => {
    const parsed = parseAddress(text);
    if (parsed?.kind === 'tcp' && parsed.port > 0) return { host: parsed.host, port: parsed.port };
    context.addIssue('is not the address of a server; write host:port or [v6]:port');
    return z.NEVER;
  });

const nodes = z.array(node).min(1, 'is empty; give at least one, better three');
const username = z.string().min(1, 'is empty; leave it out for the default user');

const cluster = z.strictObject({
  nodes: nodes.describe('host:port of some of its nodes, better three: the others are learnt from them.'),
});

const sentinel = z.strictObject({
  nodes: nodes.describe('host:port of the sentinels.'),
  master: z
    .string()
    .min(1, 'is empty; give the name that the sentinels know the master by')
    .describe('What the sentinels call the master.'),
  username: username.optional().describe('ACL user at the sentinels.'),
  password: secret().optional().describe('Password at the sentinels.'),
});

const tls = z
  .strictObject({
    ca: trustedCa(),
    cert: material(certificatesProblem).optional().describe('PEM client certificate chain, leaf first; needs "key".'),
    key: secret(privateKeyProblem).optional().describe('PEM private key of the client certificate, not encrypted.'),
    serverName: hostName
      .optional()
      .describe("Name that the servers' certificates must have, where they are reached under another: by addresses, as in most clusters."),
  })
  .refine((entry) => (entry.cert === undefined) === (entry.key === undefined), 'needs "cert" and "key" together')
  .describe('With "url": for rediss:// only. With "cluster" and "sentinel": that it is there, even empty, means TLS.');

export const redis = z
  .strictObject({
    url: z
      .union([plainRedisUrl, secret(redisUrlProblem)], {
        error: 'is neither a string nor a reference; write redis://HOST:PORT, { "fromEnv": "NAME" } or { "fromFile": "path" }',
      })
      .optional()
      .describe('redis:// or rediss:// URL of one server; by reference when it holds a password.'),
    cluster: cluster.optional().describe('Instead of "url": a Redis Cluster.'),
    sentinel: sentinel.optional().describe('Instead of "url": the master that Redis Sentinel names, whichever it is.'),
    username: username.optional().describe('ACL user, where the URL names none.'),
    password: secret().optional().describe('Password, where the URL holds none. A changed one is used by a new connection at once.'),
    tls: tls.optional(),
    commandTimeout: duration({ minMs: 10, maxMs: 60_000 })
      .prefault('250ms')
      .describe('A slower command counts as failed: requests go on without the store.'),
  })
  .refine(
    ({ url, cluster, sentinel }) => [url, cluster, sentinel].filter((way) => way !== undefined).length === 1,
    'must have exactly one of "url", "cluster", "sentinel"',
  );

export type RedisConfig = z.output<typeof redis>;
