/** A connection to Redis that is made in the background, and made anew when its address, password or certificates change. */

import KeyvRedis from '@keyv/redis';
import type { RedisClientType } from '@redis/client';
import Keyv from 'keyv';
import type { Clock } from '../../clock.ts';
import type { RedisConfig } from '../../config/schema/redis.ts';
import { Secret } from '../../config/secret.ts';
import { READ } from './scripts.ts';
import { createRedisClient, pauseMs, type RedisClient } from './topology.ts';

export interface Connected {
  readonly client: RedisClient;
  readonly keyv: Keyv<string>;
}

export class RedisConnection {
  readonly #config: RedisConfig;
  readonly #clock: Clock;
  readonly #onConnected: () => void;
  readonly #forget: (() => void)[];
  #first = pending();
  #inUse: Connected | undefined;
  /** Being connected, to take the place of the one in use. */
  #next: RedisClient | undefined;
  #cancelRetry = () => {};
  #closed = false;

  /** @param onConnected runs for each new connection, also those that the client makes by itself */
  constructor(config: RedisConfig, clock: Clock, onConnected: () => void) {
    this.#config = config;
    this.#clock = clock;
    this.#onConnected = onConnected;
    this.#forget = secretsOf(config).map((secret) => secret.onChange(() => this.#connect(0)));
    this.#connect(0);
  }

  /** Waits for the first connection until that fails; later ones may be down for a while, and then commands fail at once. */
  whenReady(): Promise<Connected> {
    return this.#inUse === undefined ? this.#first.promise : Promise.resolve(this.#inUse);
  }

  /** Whether there was a connection: making the first one takes longer than a command. */
  get begun(): boolean {
    return this.#inUse !== undefined;
  }

  /** Makes another connection, unless one is being made. */
  renew(): void {
    if (this.#next === undefined) this.#connect(0);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#cancelRetry();
    for (const forget of this.#forget) forget();
    await Promise.all([discard(this.#next), discard(this.#inUse?.client)]);
  }

  /** The connection in use stays until the new one stands: a password or certificate may be renewed here before it counts there. */
  #connect(retries: number): void {
    this.#cancelRetry();
    void discard(this.#next);
    if (this.#closed) return;
    const again = () => {
      if (this.#next !== client || this.#closed) return;
      this.#cancelRetry = this.#clock.after(pauseMs(retries, this.#clock.random), () => this.#connect(retries + 1));
    };
    const client = createRedisClient(this.#config, () => this.#clock.random());
    this.#next = client;
    // Without a listener an `error` event would end the process; each command reports its own failure.
    client.on('error', (error) => this.#fail(error));
    client.on('ready', () => this.#onConnected());
    client.connect().then(() => this.#use(client), again);
  }

  #fail(error: unknown): void {
    if (this.#inUse !== undefined) return;
    const { reject } = this.#first;
    this.#first = pending();
    reject(error);
  }

  #use(client: RedisClient): void {
    if (this.#next !== client || this.#closed) return;
    void discard(this.#inUse?.client);
    this.#next = undefined;
    this.#inUse = { client, keyv: keyvOn(client) };
    this.#first.resolve(this.#inUse);
    this.#onConnected();
  }
}

/** Nobody may be waiting when it fails. */
function pending() {
  const first = Promise.withResolvers<Connected>();
  first.promise.catch(() => undefined);
  return first;
}

function keyvOn(client: RedisClient): Keyv<string> {
  const adapter = new KeyvRedis<string>(client as RedisClientType, { throwOnErrors: true, throwOnConnectError: true });
  const keyv = new Keyv<string>({
    store: adapter,
    useKeyPrefix: false,
    throwOnErrors: true,
    // The seal's text is what is stored: an end of its own stands inside it, where nobody can change it.
    serialize: ({ value }) => value as string,
    deserialize: <Value>(text: string) => ({ value: text as Value }),
  });
  // Whoever can write in Redis must not choose how much memory a replica needs.
  adapter.get = async <Value>(name: string) => (await client.eval(READ, { keys: [name] })) as Value | undefined;
  // Names come whole; Keyv would put a namespace of its own before them.
  adapter.namespace = undefined;
  adapter.on('error', () => undefined);
  keyv.on('error', () => undefined);
  return keyv;
}

/** One that was never opened, or is closed already, says so by throwing, at once or later. */
async function discard(client: RedisClient | undefined): Promise<void> {
  try {
    await client?.destroy();
  } catch {
    return;
  }
}

function secretsOf(value: unknown): Secret[] {
  if (value instanceof Secret) return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(secretsOf) : [];
}
