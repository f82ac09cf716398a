/** A config that is right, and ways to write it down with something wrong in it. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll } from '@jest/globals';
import { type LoadedConfig, type LoadOptions, loadConfig } from '../../src/config/load.ts';
import { ConfigError, type ConfigProblem } from '../../src/config/problem.ts';
import type { Secret } from '../../src/config/secret.ts';

/** argon2id of "correct horse" at the least cost. */
export const PASSWORD_HASH = '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0c2FsdA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';

export const ENV = { CLIENT_SECRET: 'client secret from the environment' };

// biome-ignore lint/suspicious/noExplicitAny: tests bend it in ways that no type allows
export type Loose = Record<string, any>;

/** A fresh copy each time. */
export function validConfig(): Loose {
  return {
    listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic'] } },
    callers: { app: { basic: { passwordHash: PASSWORD_HASH } } },
    authorizationServers: { acme: { issuer: 'https://login.example' } },
    tokens: {
      orders: {
        authorizationServer: 'acme',
        grant: 'client_credentials',
        clientId: 'orders-sidecar',
        clientAuthentication: { secret: { fromEnv: 'CLIENT_SECRET' } },
      },
    },
    routes: { orders: { path: '/orders', callers: ['app'], token: 'orders', upstream: 'https://orders.example/v1' } },
  };
}

/** The valid config after `bend` has changed it. */
export function bent(bend: (config: Loose) => void): Loose {
  const config = validConfig();
  bend(config);
  return config;
}

/** A directory for the tests of one file, removed after them. */
export function useDirectory(): { path(name: string): string } {
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'token-broker-config-'));
  });
  afterAll(() => rm(directory, { recursive: true }));
  return { path: (name) => join(directory, name) };
}

/** Loads a config given as text or as an object. */
export async function load(file: string, config: string | Loose, options: LoadOptions = {}): Promise<LoadedConfig> {
  await writeFile(file, typeof config === 'string' ? config : JSON.stringify(config, null, 2));
  return loadConfig(file, { env: ENV, ...options });
}

/** What loading has to say, whether it succeeds or not. */
export async function verdict(
  file: string,
  config: string | Loose,
  options: LoadOptions = {},
): Promise<{ problems: readonly ConfigProblem[]; warnings: readonly ConfigProblem[] }> {
  try {
    const { warnings } = await load(file, config, options);
    return { problems: [], warnings };
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
}

/** `path message`, the parts that most tests look at. */
export function said(problems: readonly ConfigProblem[]): string[] {
  return problems.map(({ path, message }) => `${path} ${message}`.trim());
}

/** The client secret of the token `orders`. */
export function clientSecret({ config }: LoadedConfig): Secret {
  const authentication = config.tokens['orders']?.clientAuthentication;
  if (authentication?.method !== 'client_secret_basic') throw new Error('the token "orders" has another method');
  return authentication.secret[0] as Secret;
}
