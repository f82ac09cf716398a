/** A real Redis for tests, on a port of its own, that can be killed, frozen and brought back. */

import { type ChildProcess, spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClient } from '@redis/client';
import { findRedisServer } from '../../scripts/find-tool.mjs';
import { eavesdrop } from './eavesdropper.ts';

export interface RedisOptions {
  /** Default: a free one. */
  readonly port?: number;
  /** More arguments of redis-server, such as `['--maxmemory', '1mb']`. */
  readonly args?: readonly string[];
  /** Of the default user; default: none. */
  readonly password?: string;
  /** Under which the brokers of this test may write; default: that of the config. */
  readonly prefixes?: readonly string[];
  /** TLS only; with `clientCa`, clients need a certificate. All PEM. */
  readonly tls?: { readonly cert: string; readonly key: string; readonly ca: string; readonly clientCa?: string };
  /** Nobody hears what it is told: for tests that store tokens in plain text, and for benchmarks. */
  readonly unheard?: boolean;
}

export interface Redis {
  readonly port: number;
  /** `url`, `username` and `password` of a user with the rights that docs/operations.md asks for, as `store.redis` takes them. */
  readonly access: { readonly url: string; readonly username: string; readonly password: { readonly unsafeInline: string } };
  /** Sends one command as the default user, who may do anything, on a connection of its own. */
  command(...words: string[]): Promise<unknown>;
  /** Everything it has said so far. */
  output(): string;
  /** SIGKILL: connections are reset, data is lost. */
  kill(): Promise<void>;
  /** SIGSTOP: connections stay open and silent. */
  stop(): void;
  /** SIGCONT. */
  cont(): void;
  /** Starts it again, empty, on the same port. */
  restart(): Promise<void>;
  /** Ends it and removes its directory; rejects when it was told something that the test has confided to others. */
  close(): Promise<void>;
}

/** Below those that Linux and macOS give to whoever names none. */
const FIRST_PORT = 20_000;
const PORTS = 5_000;
let nextPort = randomInt(PORTS);

export const BROKER = { username: 'broker', password: { unsafeInline: 'few-rights' } };
const OPERATIONS = new URL('../../docs/operations.md', import.meta.url);

const DOCUMENTED = {
  server: /^ACL SETUSER broker on >PASSWORD ~token-broker:\* (.+)$/m,
  'cluster node': /^In a cluster it needs `(\S+)` and `(\S+)` too/m,
  sentinel: /^ACL SETUSER broker on >PASSWORD (allchannels .+)$/m,
};

/** `+get`, `+set`… as docs/operations.md has them, all that a broker may do there; in a cluster: more than at a server. */
export function documentedRights(where: keyof typeof DOCUMENTED): string[] {
  const found = DOCUMENTED[where].exec(readFileSync(OPERATIONS, 'utf8'));
  if (found === null) throw new Error(`docs/operations.md does not say which rights a broker needs at a ${where}`);
  return found.slice(1).flatMap((some) => some.split(' '));
}

/** Starts it and waits until it takes connections. */
export async function startRedis(options: RedisOptions = {}): Promise<Redis> {
  const directory = await mkdtemp(join(tmpdir(), 'token-broker-redis-'));
  const said: string[] = [];
  const tlsArguments = options.tls === undefined ? [] : await writeTls(directory, options.tls);
  const fixed = [
    '--bind',
    '127.0.0.1',
    '--dir',
    directory,
    '--save',
    '',
    '--appendonly',
    'no',
    ...(options.password === undefined ? [] : ['--requirepass', options.password]),
    ...tlsArguments,
    ...(options.args ?? []),
    '--user',
    BROKER.username,
    'on',
    `>${BROKER.password.unsafeInline}`,
    ...(options.prefixes ?? ['token-broker:']).map((prefix) => `~${prefix}*`),
    ...documentedRights('server'),
    ...(options.args?.includes('--cluster-enabled') ? documentedRights('cluster node') : []),
  ];
  const run = (port: number) =>
    runRedis([...(options.tls === undefined ? ['--port'] : ['--port', '0', '--tls-port']), String(port), ...fixed], said);
  const port = options.port ?? (await freePort());
  let process = await run(port).catch(async (error: unknown) => {
    await rm(directory, { recursive: true });
    throw error;
  });
  const ear = options.unheard ? undefined : eavesdrop({ port, password: options.password, tls: tlsOf(options) });
  await ear?.listening();
  const kill = async () => {
    if (process.exitCode !== null || process.signalCode !== null) return;
    const exited = once(process, 'exit');
    process.kill('SIGKILL');
    await exited;
  };
  const secret = options.password === undefined ? '' : `:${encodeURIComponent(options.password)}@`;
  const scheme = options.tls === undefined ? 'redis' : 'rediss';
  const url = `${scheme}://${secret}127.0.0.1:${port}`;
  return {
    port,
    access: { url: `${scheme}://127.0.0.1:${port}`, ...BROKER },
    command: (...words) => sendCommand(url, options, words),
    output: () => said.join(''),
    kill,
    stop: () => void process.kill('SIGSTOP'),
    cont: () => void process.kill('SIGCONT'),
    restart: async () => {
      await kill();
      process = await run(port);
      await ear?.listening();
    },
    close: async () => {
      process.kill('SIGCONT');
      try {
        await ear?.finish();
      } finally {
        await kill();
        await rm(directory, { recursive: true, force: true });
      }
    },
  };
}

/**
 * A TCP port of the loopback address that nothing listens on just now, and that stays free for whoever asked: the system gives it to nobody who names
 * none, and this function to nobody else while this process lives.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < PORTS; tries += 1) {
    nextPort = (nextPort + 1) % PORTS;
    const port = FIRST_PORT + nextPort;
    const claim = createSocket('udp4').unref();
    // Its UDP neighbour is the sign for other processes.
    const isOurs = await once(claim.bind({ port: port + PORTS, address: '127.0.0.1', exclusive: true }), 'listening').then(
      () => isFree(port),
      () => false,
    );
    if (isOurs) return port;
    claim.close();
  }
  throw new Error('no port is free');
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(port, '127.0.0.1'), 'listening');
  } catch {
    return false;
  }
  await once(server.close(), 'close');
  return true;
}

function runRedis(args: readonly string[], said: string[]): Promise<ChildProcess> {
  const redis = spawn(findRedisServer(), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const start = said.length;
  return new Promise((resolve, reject) => {
    const hear = (chunk: Buffer) => {
      said.push(chunk.toString());
      if (said.slice(start).join('').includes('Ready to accept connections')) resolve(redis);
    };
    redis.stdout.on('data', hear);
    redis.stderr.on('data', hear);
    redis.on('error', (cause) => reject(new Error('redis-server cannot be run', { cause })));
    redis.on('exit', (code) => reject(new Error(`redis-server ended with ${code}: ${said.slice(start).join('')}`)));
  });
}

/** Arguments for TLS, whose files are in this directory. */
export async function writeTls(directory: string, tls: NonNullable<RedisOptions['tls']>): Promise<string[]> {
  const files = { cert: join(directory, 'redis.crt'), key: join(directory, 'redis.key'), ca: join(directory, 'ca.crt') };
  await writeFile(files.cert, tls.cert);
  await writeFile(files.key, tls.key);
  await writeFile(files.ca, tls.clientCa ?? tls.ca);
  const clients = tls.clientCa === undefined ? 'no' : 'yes';
  return ['--tls-cert-file', files.cert, '--tls-key-file', files.key, '--tls-ca-cert-file', files.ca, '--tls-auth-clients', clients];
}

/** Sends one command on a connection of its own. */
export async function sendCommand(url: string, options: Pick<RedisOptions, 'tls'>, words: readonly string[]): Promise<unknown> {
  const tls = tlsOf(options);
  const socket = tls === undefined ? {} : { tls: true as const, ...tls };
  const client = createClient({ url, socket: { ...socket, reconnectStrategy: false } });
  client.on('error', () => {});
  await client.connect();
  try {
    return await client.sendCommand([...words]);
  } finally {
    client.destroy();
  }
}

/** The test itself is at the right server, whatever that calls itself, and shows the server's own certificate where one is needed. */
function tlsOf({ tls }: Pick<RedisOptions, 'tls'>) {
  return tls && { ca: tls.ca, cert: tls.cert, key: tls.key, checkServerIdentity: () => undefined };
}
