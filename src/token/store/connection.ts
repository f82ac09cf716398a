/** A connection to Redis that is made in the background, and made anew when its address, password or certificates change. */

import type Keyv from 'keyv';
import type { Clock } from '../../clock.ts';
import type { RedisConfig } from '../../config/schema/redis.ts';
import { Secret } from '../../config/secret.ts';
import { valuesIn } from '../../config/values-in.ts';
import type { RedisClient } from './topology.ts';

export interface Connected {
  readonly client: RedisClient;
  readonly keyv: Keyv<string>;
}

interface InUse extends Connected {
  /** In a row, until it stood. */
  readonly retries: number;
  /** Monotonic. */
  readonly since: number;
}

/** A connection being made. */
interface Attempt {
  readonly retries: number;
  /** Once there is one to be discarded. */
  client?: RedisClient;
}

/** With the pause after it and that of the breaker, sharing is back within ten seconds even where the last try met silence. */
const CONNECTING_MS = 2_000;
/** One that lasted no longer is made again like one that failed: what stands before a Redis that is away takes each and ends it. */
const BRIEF_MS = 5_000;

export class RedisConnection {
  readonly #config: RedisConfig;
  readonly #clock: Clock;
  readonly #onConnected: () => void;
  readonly #forget: (() => void)[];
  #first = pending();
  #inUse: InUse | undefined;
  /** To take the place of the one in use. */
  #next: Attempt | undefined;
  #cancelRetry = () => {};
  #closed = false;

  /** @param onConnected runs for each new connection, also those that the client makes by itself */
  constructor(config: RedisConfig, clock: Clock, onConnected: () => void) {
    this.#config = config;
    this.#clock = clock;
    this.#onConnected = onConnected;
    this.#forget = valuesIn(config, Secret).map(({ value: secret }) => secret.onChange(() => this.#connect(0)));
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
    this.#first.reject(new Error('closed'));
    for (const forget of this.#forget) forget();
    await Promise.all([discard(this.#next?.client), discard(this.#inUse?.client)]);
  }

  /** The connection in use stays until the new one stands: a password or certificate may be renewed here before it counts there. */
  #connect(retries: number): void {
    this.#cancelRetry();
    void discard(this.#next?.client);
    if (this.#closed) return;
    const next: Attempt = { retries };
    this.#next = next;
    this.#open(next).then(
      (connected) => this.#use(connected, next),
      (error: unknown) => {
        if (this.#next !== next) return;
        this.#fail(error);
        this.#connectLater(retries);
      },
    );
  }

  #connectLater(retries: number): void {
    if (this.#closed) return;
    this.#cancelRetry = this.#clock.after(pauseMs(retries, this.#clock.random), () => this.#connect(retries + 1));
  }

  async #open(attempt: Attempt): Promise<Connected> {
    // Most brokers have no store, and need not run the 400 modules that speak to Redis.
    const [{ createRedisClient }, { keyvOn }] = await Promise.all([import('./topology.ts'), import('./keyv.ts')]);
    if (this.#next !== attempt || this.#closed) throw new Error('not wanted any more');
    const client = createRedisClient(this.#config, (retries) => pauseMs(retries, this.#clock.random));
    attempt.client = client;
    // Without a listener an `error` event would end the process; each command reports its own failure.
    client.on('error', (error) => this.#fail(error));
    // Made anew by the client itself.
    client.on('ready', () => {
      if (this.#inUse?.client === client) this.#onConnected();
    });
    client.on('terminated', () => this.#lose(client));
    await this.#inTime(client);
    return { client, keyv: keyvOn(client) };
  }

  /** The servers of a fleet are tried one after the other, each for as long as the client waits. */
  async #inTime(client: RedisClient): Promise<void> {
    const { url, commandTimeout } = this.#config;
    const giveUp = () => void (url === undefined || discard(client));
    const cancel = this.#clock.after(Math.max(CONNECTING_MS, commandTimeout), giveUp);
    try {
      await client.connect();
    } finally {
      cancel();
    }
  }

  /** Not made again by the client itself. */
  #lose(client: RedisClient): void {
    const lost = this.#inUse;
    if (lost?.client !== client || this.#next !== undefined) return;
    this.#connectLater(this.#clock.monotonic() - lost.since < BRIEF_MS ? lost.retries : 0);
  }

  #fail(error: unknown): void {
    if (this.#inUse !== undefined) return;
    const { reject } = this.#first;
    this.#first = pending();
    reject(error);
  }

  #use(connected: Connected, attempt: Attempt): void {
    // One that was discarded while it was connecting has come to life all the same.
    if (this.#next !== attempt || this.#closed) return void discard(connected.client);
    void discard(this.#inUse?.client);
    this.#next = undefined;
    this.#inUse = { ...connected, retries: attempt.retries, since: this.#clock.monotonic() };
    this.#first.resolve(connected);
    this.#onConnected();
  }
}

/** Milliseconds before connecting once more: doubling from 0.1 s to 4 s, more or less a quarter. @param random uniform in [0, 1) */
function pauseMs(retries: number, random: () => number): number {
  return Math.min(100 * 2 ** Math.min(retries, 6), 4_000) * (0.75 + random() / 2);
}

/** Nobody may be waiting when it fails. */
function pending() {
  const first = Promise.withResolvers<Connected>();
  first.promise.catch(() => undefined);
  return first;
}

/** One that was never opened, or is closed already, says so by throwing, at once or later. */
async function discard(client: RedisClient | undefined): Promise<void> {
  try {
    await client?.destroy();
  } catch {
    return;
  }
}
