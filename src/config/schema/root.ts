/** The whole config: its sections in the order of a request's way. */

import * as z from 'zod';
import { authorizationServer } from './authorization-servers.ts';
import { caller, callersFile } from './callers.ts';
import { demo } from './demo.ts';
import { listener } from './listeners.ts';
import { route } from './routes.ts';
import { socketAccess } from './socket-access.ts';
import { store } from './store.ts';
import { telemetry } from './telemetry.ts';
import { token } from './tokens.ts';
import { address, duration, hostName, LONGEST_TIMER_MS, name } from './values.ts';

const admin = z
  .strictObject({
    address: address.prefault('127.0.0.1:9099'),
    ...socketAccess,
    hosts: z
      .array(hostName)
      .default([])
      .describe(
        'Host names under which the status is shown and actions are taken, besides those of loopback. On a Unix socket any name is fine.',
      ),
  })
  .describe('Probes, metrics, status and actions, for loopback or a Unix socket only.');

const probes = z
  .strictObject({ address: address.optional(), ...socketAccess })
  .describe('The same probes and metrics on an address that others may reach: kubelet, Prometheus. Default: none.');

const log = z.strictObject({
  level: z
    .enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'])
    .default('info')
    .describe('Lines below this level are left out.'),
  access: z.boolean().default(true).describe('One line for each request, at level "info".'),
});

const shutdown = z.strictObject({
  delay: duration({ minMs: 0, maxMs: LONGEST_TIMER_MS })
    .prefault('0s')
    .describe('How long listeners go on accepting after SIGTERM, each answer with "Connection: close", until nobody sends here any more.'),
  grace: duration({ minMs: 0, maxMs: LONGEST_TIMER_MS })
    .prefault('25s')
    .describe('After that, how long requests in flight may take to finish. What is cut then makes the exit code 1.'),
});

export const config = z.strictObject({
  $schema: z.string().optional().describe('For editors: the path of sidecar.schema.json.'),
  extends: z
    .string()
    .min(1)
    .optional()
    .meta({ examples: ['./base.config.json'] })
    .describe(
      'Path of another config, relative to this file, that this one is merged over: objects merge, all else replaces, and so does a reference to a secret as a whole.',
    ),
  listeners: z
    .record(name, listener)
    .refine((map) => Object.keys(map).length > 0, 'is empty; define at least one listener')
    .describe('Where callers connect, by name.'),
  callers: z
    .record(name, caller)
    .default({})
    .describe('Who may call, by name; each has "basic", "mtls", "jwt" or "negotiate", or several of them.'),
  callersFile: callersFile
    .optional()
    .describe(
      'Path of an htpasswd file, relative to this config, that adds a caller for each of its users: by Basic, named as the user, with a bcrypt hash (`htpasswd -B`) or what `token-broker hash-password` prints. It is watched: who is removed from it is out at once.',
    ),
  authorizationServers: z
    .record(name, authorizationServer)
    .default({})
    .describe('Who issues tokens, by name; each has an "issuer" or a "tokenEndpoint".'),
  tokens: z.record(name, token).default({}).describe('What to obtain, as whom, by name.'),
  routes: z.record(name, route).default({}).describe('Which caller may go where with which token, by name.'),
  store: store
    .optional()
    .describe('Where replicas share tokens. Absent: each keeps its own in memory. Needs "encryption" or, for a test, "unsafePlaintext".'),
  admin: admin.prefault({}),
  probes: probes.prefault({}),
  readiness: z
    .enum(['listening', 'tokens'])
    .default('listening')
    .describe(
      'When `/readyz` says so. "listening": all addresses are bound. "tokens": every eager token was tried too, with success or not.',
    ),
  log: log.prefault({}).describe('JSON lines on standard output.'),
  shutdown: shutdown.prefault({}).describe('What happens between SIGTERM and the end.'),
  telemetry: telemetry.optional().describe('Traces, by OTLP/HTTP. Absent, and without the variables of OpenTelemetry: none.'),
  demo: demo.optional().describe('What "token-broker dev" runs beside the broker; "start" refuses it.'),
});

/** The config after parsing: durations in milliseconds, sizes in bytes, secrets as `Secret`. */
export type Config = z.output<typeof config>;
