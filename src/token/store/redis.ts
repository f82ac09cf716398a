/** The shared store in Redis, through keyv: every call under our own deadline, its trouble never the caller's. */

import KeyvRedis from '@keyv/redis';
import Keyv from 'keyv';
import type { Clock } from '../../clock.ts';
import type { StoreConfig } from '../../config/schema/store.ts';
import type { Secret } from '../../config/secret.ts';
import { aesSeal, plainSeal, type Seal } from './seal.ts';
import type { StoredToken, TokenStore } from './store.ts';

export interface StoreObserver {
  /** The store stopped working: `reason` is a short code. Told once for each change of state. */
  lost(reason: string): void;
  recovered(): void;
  /** An entry that is not ours to read: corrupt, planted, or sealed with a key we do not have. */
  unreadable(): void;
}

/** Milliseconds for which a store in trouble is left alone: doubling, with jitter. */
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

export class RedisStore implements TokenStore {
  readonly #config: StoreConfig;
  readonly #seal: Seal;
  readonly #observer: StoreObserver;
  readonly #clock: Clock;
  readonly #keyv: Keyv<string>;
  #failures = 0;
  #pausedUntil = Number.NEGATIVE_INFINITY;

  constructor(config: StoreConfig, observer: StoreObserver, clock: Clock) {
    this.#config = config;
    this.#observer = observer;
    this.#clock = clock;
    this.#seal = config.encryption === undefined ? plainSeal : aesSeal(config.encryption.keys);
    this.#keyv = connect(config, clock);
  }

  async read(identity: string): Promise<StoredToken | undefined> {
    // Under the newest key first; entries of an older one count until they end, so that a rotation costs no grants.
    for (const name of this.#seal.names(identity)) {
      const text = await this.#guarded(() => this.#keyv.get(name));
      if (text === undefined || text === null) continue;
      const token = this.#seal.open(name, text);
      if (token !== undefined) return token;
      this.#observer.unreadable();
    }
    return undefined;
  }

  async write(identity: string, token: StoredToken, ttlMs: number): Promise<void> {
    // Redis takes whole milliseconds only, and keeps an entry of none for ever.
    if (ttlMs < 1) return;
    const [name] = this.#seal.names(identity);
    await this.#guarded(() => this.#keyv.set(name, this.#seal.seal(name, token), Math.floor(ttlMs)));
  }

  async close(): Promise<void> {
    await Promise.race([this.#keyv.disconnect(), this.#deadline()]).catch(() => undefined);
  }

  /** Runs a command under the deadline; `undefined` when it failed or the store is being left alone. */
  async #guarded<T>(command: () => Promise<T>): Promise<T | undefined> {
    if (this.#clock.monotonic() < this.#pausedUntil) return undefined;
    try {
      const result = await Promise.race([command(), this.#deadline()]);
      if (this.#failures > 0) this.#observer.recovered();
      this.#failures = 0;
      return result;
    } catch (error) {
      // Somebody else's entry of another type under our name: Redis itself is fine.
      if (reasonOf(error) === 'wrongtype') this.#observer.unreadable();
      else this.#lose(error);
      return undefined;
    }
  }

  #lose(error: unknown): void {
    const pauseMs = Math.min(FIRST_PAUSE_MS * 2 ** Math.min(this.#failures, 10), LONGEST_PAUSE_MS);
    this.#pausedUntil = this.#clock.monotonic() + pauseMs * (0.75 + this.#clock.random() / 2);
    if (this.#failures === 0) this.#observer.lost(reasonOf(error));
    this.#failures += 1;
  }

  #deadline(): Promise<never> {
    return new Promise((_resolve, reject) => {
      this.#clock.after(this.#config.redis.commandTimeout, () =>
        reject(Object.assign(new Error('the store is too slow'), { code: 'ETIMEDOUT' })),
      );
    });
  }
}

/** Options that keep node-redis from queueing, hanging or closing for good: its defaults do all three. */
function connect(config: StoreConfig, clock: Clock): Keyv<string> {
  const { url, commandTimeout, tls } = config.redis;
  const text = typeof url === 'string' ? url : url.reveal();
  const tlsOptions = text.startsWith('rediss:')
    ? { tls: true as const, ...pem('ca', tls?.ca), ...pem('cert', tls?.cert), ...pem('key', tls?.key) }
    : {};
  const adapter = new KeyvRedis<string>(
    {
      url: text,
      disableOfflineQueue: true,
      // Below the socket's timeout, so that an idle connection is not taken for a dead one.
      pingInterval: 2_000,
      socket: {
        connectTimeout: 1_000,
        socketTimeout: Math.max(5_000, commandTimeout * 4),
        reconnectStrategy: (retries: number) => Math.min(100 * 2 ** Math.min(retries, 6), 5_000) * (0.75 + clock.random() / 2),
        ...tlsOptions,
      },
    },
    { throwOnErrors: true, throwOnConnectError: true, connectionTimeout: commandTimeout, keyPrefixSeparator: '' },
  );
  const keyv = new Keyv<string>({
    store: adapter,
    namespace: config.prefix,
    useKeyPrefix: false,
    throwOnErrors: true,
    // The seal's text is what is stored: an end of its own stands inside it, where nobody can change it.
    serialize: ({ value }) => value as string,
    deserialize: <Value>(text: string) => ({ value: text as Value }),
  });
  // Without a listener an `error` event would end the process; each command reports its own failure.
  adapter.on('error', () => undefined);
  keyv.on('error', () => undefined);
  return keyv;
}

function pem(name: 'ca' | 'cert' | 'key', secret: Secret | undefined): Record<string, string> {
  return secret === undefined ? {} : { [name]: secret.reveal() };
}

/** A short code for the log; texts of Redis errors can hold keys. */
function reasonOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof code === 'string') return code.toLowerCase();
  const word = typeof message === 'string' ? /^[A-Z]{2,20}\b/.exec(message)?.[0] : undefined;
  return word?.toLowerCase() ?? 'unavailable';
}
