/** The real broker in the test's own process, from a config as a user would write it, with its log in memory. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Broker } from '../../src/broker.ts';
import { loadConfig } from '../../src/config/load.ts';
import { hashPassword } from '../../src/password-hash.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { confide, confideTokens } from './eavesdropper.ts';
import { answerWith, tokenAnswer } from './scripted-answers.ts';
import { type Script, type ScriptedServer, startScriptedServer } from './scripted-server.ts';

export interface TestBroker {
  readonly broker: Broker;
  /** `127.0.0.1:12345`, by listener name. */
  address(listener?: string): string;
  /** `http://127.0.0.1:12345`, by listener name. */
  url(listener?: string): string;
  /** Every log line so far, parsed. */
  readonly log: readonly Record<string, unknown>[];
  /** Resolves with the first log line, past or to come, that has this message and fits. */
  logged(message: string, fits?: (line: Record<string, unknown>) => boolean): Promise<Record<string, unknown>>;
  metrics(): Promise<string>;
  /** Of a file beside the config. */
  path(name: string): string;
  close(): Promise<void>;
}

/** What a test leaves out of its config. */
const DEFAULTS = {
  listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
  admin: { address: '127.0.0.1:0' },
  log: { level: 'trace' },
};

/** @param config merged over `DEFAULTS`, section by section; @param files written beside it, by name; @param env what `fromEnv` names */
export async function startBroker(
  config: Record<string, unknown>,
  files: Readonly<Record<string, string>> = {},
  env: NodeJS.ProcessEnv = process.env,
): Promise<TestBroker> {
  confideTokens(config['tokens']);
  confide('of a file of the config', files);
  const folder = await mkdtemp(join(tmpdir(), 'token-broker-test-'));
  for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content, { mode: 0o600 });
  const file = join(folder, 'sidecar.config.json');
  await writeFile(file, JSON.stringify({ ...DEFAULTS, ...config }));
  const loaded = await loadConfig(file, { env });
  const log: Record<string, unknown>[] = [];
  const watchers = new Set<() => void>();
  const destination = {
    write(line: string) {
      log.push(JSON.parse(line) as Record<string, unknown>);
      for (const look of watchers) look();
    },
  };
  const watch = loaded.watch({ intervalMs: 50 });
  const broker = new Broker({ config: loaded.config, log: createLog(loaded.config.log.level, destination) });
  await broker.start();
  const address = (listener = 'local') => broker.addresses.get(listener) as string;
  const scheme = (listener: string) => (loaded.config.listeners[listener]?.tls === undefined ? 'http' : 'https');
  return {
    broker,
    address,
    url: (listener = 'local') => `${scheme(listener)}://${address(listener)}`,
    log,
    logged: (message, fits = () => true) =>
      new Promise((resolve) => {
        const look = () => {
          const found = log.find((line) => line['msg'] === message && fits(line));
          if (found === undefined) return;
          watchers.delete(look);
          resolve(found);
        };
        watchers.add(look);
        look();
      }),
    path: (name) => join(folder, name),
    metrics: async () => (await fetch(`http://${address('admin')}/metrics`)).text(),
    async close() {
      watch.stop();
      await broker.close();
      await rm(folder, { recursive: true });
      const fault = log.find((line) => line['msg'] === 'the broker failed' && !('requestId' in line));
      if (fault !== undefined) throw new Error(`a mistake of ours was caught: ${JSON.stringify(fault['err'])}`);
    },
  };
}

let hashOfSecret: Promise<string> | undefined;

/** The hash of the password `secret`, made once for each test file. */
export function secretHash(): Promise<string> {
  hashOfSecret ??= hashPassword('secret');
  return hashOfSecret;
}

export interface Scene extends TestBroker {
  readonly origin: ScriptedServer;
  readonly authorizationServer: ScriptedServer;
}

export interface SceneOptions {
  /** How the origin answers; default: 200 with `ok`. */
  readonly origin?: Script;
  /** How the token endpoint answers; default: the token `scripted-access-token` for an hour. */
  readonly token?: Script;
  readonly tokenConfig?: Record<string, unknown>;
  readonly serverConfig?: Record<string, unknown>;
  readonly route?: Record<string, unknown>;
  /** More sections, merged last. */
  readonly config?: Record<string, unknown>;
  readonly files?: Readonly<Record<string, string>>;
}

/** A token of the authorization server `as`, obtained when it is first needed. */
export const ORDERS_TOKEN = {
  authorizationServer: 'as',
  grant: 'client_credentials',
  clientId: 'orders-sidecar',
  clientAuthentication: { secret: { unsafeInline: 'orders-secret' } },
  renew: { eager: false },
};

/** One anonymous listener, one route `/api` with the token `orders` to a recording origin, one scripted token endpoint. */
export async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const origin = await startScriptedServer({ answer: options.origin ?? (() => answerWith(200, ['Content-Type: text/plain'], 'ok')) });
  const authorizationServer = await startScriptedServer({ answer: options.token ?? (() => tokenAnswer()) });
  const started = await startBroker(
    {
      authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token`, ...options.serverConfig } },
      tokens: {
        orders: { ...ORDERS_TOKEN, ...options.tokenConfig },
      },
      routes: { api: { path: '/api', callers: ['anonymous'], token: 'orders', upstream: origin.url, ...options.route } },
      ...options.config,
    },
    options.files,
  );
  return {
    ...started,
    origin,
    authorizationServer,
    async close() {
      await started.close();
      await Promise.all([origin.close(), authorizationServer.close()]);
    },
  };
}
