/** The whole config: its sections in the order of a request's way. */

import * as z from 'zod';
import { authorizationServer } from './authorization-servers.ts';
import { caller } from './callers.ts';
import { demo } from './demo.ts';
import { listener } from './listeners.ts';
import { route } from './routes.ts';
import { store } from './store.ts';
import { token } from './tokens.ts';
import { address, duration, name } from './values.ts';

const admin = z
  .strictObject({ address: address.prefault('127.0.0.1:9099') })
  .describe('Probes, metrics and actions, for loopback or a Unix socket only.');

const probes = z.strictObject({ address: address.optional() }).describe('Probes and metrics only, for kubelet and Prometheus.');

const log = z.strictObject({
  level: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent']).default('info').describe('The least that is logged.'),
  access: z.boolean().default(true).describe('One line for each request.'),
});

const shutdown = z.strictObject({
  delay: duration({ minMs: 0 }).prefault('0s').describe('Keep accepting this long after SIGTERM, while endpoints propagate.'),
  grace: duration({ minMs: 0 }).prefault('25s').describe('What is in flight may take this long to finish.'),
});

export const config = z.strictObject({
  $schema: z.string().optional().describe('For editors: the path of sidecar.schema.json.'),
  listeners: z
    .record(name, listener)
    .refine((map) => Object.keys(map).length > 0, 'is empty; define at least one listener')
    .describe('Where callers connect, by name.'),
  callers: z.record(name, caller).default({}).describe('Who may call, by name.'),
  authorizationServers: z.record(name, authorizationServer).default({}).describe('Who issues tokens, by name.'),
  tokens: z.record(name, token).default({}).describe('What to obtain, as whom, by name.'),
  routes: z.record(name, route).default({}).describe('Which caller may go where with which token, by name.'),
  store: store.optional().describe('Where replicas share tokens. Absent: each keeps its own in memory.'),
  admin: admin.prefault({}),
  probes: probes.prefault({}),
  readiness: z.enum(['listening', 'tokens']).default('listening').describe('"tokens": ready once the eager tokens were tried.'),
  log: log.prefault({}).describe('JSON lines on standard output.'),
  shutdown: shutdown.prefault({}).describe('What happens between SIGTERM and the end.'),
  demo: demo.optional().describe('What "token-broker dev" runs beside the broker; "start" refuses it.'),
});

/** The config after parsing: durations in milliseconds, sizes in bytes, secrets as `Secret`. */
export type Config = z.output<typeof config>;
