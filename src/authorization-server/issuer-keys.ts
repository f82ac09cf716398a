/** The keys that an issuer signs its tokens with: fetched when they are first needed, kept, and read again as they grow old. */

import { createLocalJWKSet, type JWK, type JWTHeaderParameters, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../clock.ts';
import type { JwtConfig } from '../config/schema/callers.ts';
import { fitKeysOf, verificationKeysOf } from '../config/verification-keys.ts';
import { AuthorizationServerCalls } from './call.ts';
import { discover, isAcceptableUrl, readDocument } from './discovery.ts';
import { AuthorizationServerError, toAuthorizationServerError } from './failure.ts';
import { readJson } from './jwt.ts';

/** The keys of one moment. Another object means other keys. */
export interface KeySet {
  readonly find: JWTVerifyGetKey;
  readonly size: number;
}

export interface IssuerKeys {
  /** What is there already and young enough; begins to read again where that is due. Cheap: asked with every request. */
  current(): KeySet | undefined;
  /** Rejects with `AuthorizationServerError` while there are none. */
  get(): Promise<KeySet>;
  /** For a token whose key is not among `known`: others, if there are any. Rejects where that cannot be found out. */
  after(known: KeySet): Promise<KeySet | undefined>;
  /** Goes on with what `before` knows, which finds its keys in the same place. */
  follow(before: IssuerKeys): void;
  close(): Promise<void>;
}

export interface KeysObserver {
  /** The first keys, or other ones than before. */
  changed(issuer: string, size: number): void;
  /** @param serving whether the last good ones are used on */
  failed(issuer: string, failure: AuthorizationServerError, serving: boolean): void;
}

export type IssuerKeysConfig = Pick<JwtConfig, 'issuer' | 'jwksUri' | 'keys' | 'bearerToken' | 'keysMaxAge' | 'tls' | 'proxy'>;

export function createIssuerKeys(config: IssuerKeysConfig, clock: Clock, observer: KeysObserver): IssuerKeys {
  return config.keys === undefined ? new FetchedKeys(config, clock, observer) : givenKeys(config.keys);
}

/** Keys of the config: there at once, and others only when their file changes. */
function givenKeys(keys: NonNullable<JwtConfig['keys']>): IssuerKeys {
  let version: number | undefined;
  let set: KeySet;
  const current = () => {
    if (version !== keys.version) {
      version = keys.version;
      set = keySetOf(verificationKeysOf(keys.reveal()));
    }
    return set;
  };
  return {
    current,
    get: () => Promise.resolve(current()),
    after: (known) => Promise.resolve(current() === known ? undefined : current()),
    follow: () => {},
    close: () => Promise.resolve(),
  };
}

/** A key without a name, as those of PEM are, may be the one that a token names. */
function keySetOf(keys: JWK[]): KeySet {
  const names = new Set(keys.map(({ kid }) => kid));
  const findAmongAll = createLocalJWKSet({ keys });
  const findUnnamed = createLocalJWKSet({ keys: keys.filter(({ kid }) => kid === undefined) });
  return {
    size: keys.length,
    find: (header, token) =>
      header?.kid === undefined || names.has(header.kid) ? findAmongAll(header, token) : findUnnamed(withoutName(header), token),
  };
}

function withoutName({ kid: _kid, ...header }: JWTHeaderParameters): JWTHeaderParameters {
  return header;
}

/** For one document; a caller waits for two of them at most. */
const TIMEOUT_MS = 4_000;
const CONNECT_TIMEOUT_MS = 2_000;
/** After a failure, while callers are turned away: soon enough for them, rarely enough for a server in trouble. */
const RETRY_MS = 2_000;
/** While the last good keys serve on. */
const RETRY_SERVING_MS = 30_000;
/** A token can name any key: who makes tokens up can have the keys read once in this time. */
const UNKNOWN_KEY_MS = 10_000;
/** Half of all who may wait, so that whoever makes keys up holds up nobody whose key is there. */
const MOST_UNKNOWN = 500;

class FetchedKeys implements IssuerKeys {
  readonly #config: IssuerKeysConfig;
  readonly #clock: Clock;
  readonly #observer: KeysObserver;
  readonly #calls: AuthorizationServerCalls;
  #kept: KeySet | undefined;
  /** The keys that are kept, as text: what tells other keys from the same ones. */
  #text = '';
  #failure: AuthorizationServerError | undefined;
  /** Monotonic: when the last try ended. */
  #triedAt = Number.NEGATIVE_INFINITY;
  #pending: Promise<KeySet> | undefined;
  /** Who waits for a key that may not exist. */
  #unknown = 0;

  constructor(config: IssuerKeysConfig, clock: Clock, observer: KeysObserver) {
    this.#config = config;
    this.#clock = clock;
    this.#observer = observer;
    this.#calls = new AuthorizationServerCalls({
      timeoutMs: TIMEOUT_MS,
      connectTimeoutMs: CONNECT_TIMEOUT_MS,
      ca: () => config.tls.ca?.reveal(),
      proxy: config.proxy,
    });
  }

  current(): KeySet | undefined {
    const { keysMaxAge } = this.#config;
    const age = this.#clock.monotonic() - this.#triedAt;
    if (age >= this.#pauseMs()) this.#read().catch(() => undefined);
    // Nobody asked for a long time: a key that the issuer took back meanwhile must not serve once more.
    return age < 2 * keysMaxAge ? this.#kept : undefined;
  }

  async get(): Promise<KeySet> {
    const current = this.current();
    if (current !== undefined) return current;
    try {
      if (this.#pending !== undefined) return await this.#pending;
    } catch {
      // Told where it happened; what it means depends on what there is from before.
    }
    if (this.#kept === undefined) throw this.#failure ?? new AuthorizationServerError('transient', 'keys_missing');
    return this.#kept;
  }

  async after(known: KeySet): Promise<KeySet | undefined> {
    if (this.#kept === known && this.#pending === undefined && this.#clock.monotonic() - this.#triedAt < UNKNOWN_KEY_MS) {
      if (this.#failure !== undefined) throw this.#failure;
      return undefined;
    }
    const found = this.#kept === known ? await this.#readForUnknown() : this.#kept;
    return found === known ? undefined : found;
  }

  follow(before: IssuerKeys): void {
    if (!(before instanceof FetchedKeys)) return;
    this.#kept = before.#kept;
    this.#text = before.#text;
    this.#failure = before.#failure;
    this.#triedAt = before.#triedAt;
  }

  close(): Promise<void> {
    return this.#calls.close();
  }

  async #readForUnknown(): Promise<KeySet> {
    if (this.#unknown >= MOST_UNKNOWN) throw new AuthorizationServerError('transient', 'too_many_unknown_keys');
    this.#unknown += 1;
    try {
      return await this.#read();
    } finally {
      this.#unknown -= 1;
    }
  }

  #pauseMs(): number {
    const { keysMaxAge } = this.#config;
    if (this.#failure === undefined) return keysMaxAge;
    return Math.min(this.#kept === undefined ? RETRY_MS : RETRY_SERVING_MS, keysMaxAge);
  }

  #read(): Promise<KeySet> {
    this.#pending ??= this.#fetch()
      .then((keys) => this.#keep(keys))
      .catch((error: unknown) => {
        this.#failure = toAuthorizationServerError(error);
        if (this.#failure.reason !== 'closed') this.#observer.failed(this.#config.issuer, this.#failure, this.#kept !== undefined);
        throw this.#failure;
      })
      .finally(() => {
        this.#triedAt = this.#clock.monotonic();
        this.#pending = undefined;
      });
    return this.#pending;
  }

  #keep(keys: JWK[]): KeySet {
    if (keys.length === 0) throw new AuthorizationServerError('transient', 'keys_missing');
    const text = JSON.stringify(keys);
    this.#failure = undefined;
    if (this.#kept === undefined || text !== this.#text) {
      this.#text = text;
      this.#kept = keySetOf(keys);
      this.#observer.changed(this.#config.issuer, keys.length);
    }
    return this.#kept;
  }

  async #fetch(): Promise<JWK[]> {
    const { bearerToken } = this.#config;
    const headers = bearerToken && { authorization: `Bearer ${await bearerToken.fresh()}` };
    const document = await readDocument(this.#calls, await this.#place(), headers);
    return fitKeysOf(readJson(document));
  }

  async #place(): Promise<string> {
    const { jwksUri, issuer } = this.#config;
    if (jwksUri !== undefined) return jwksUri;
    const { jwks_uri: found } = await discover({ issuer, calls: this.#calls });
    if (!isAcceptableUrl(found, { url: issuer })) throw new AuthorizationServerError('transient', 'jwks_uri_unacceptable');
    return found;
  }
}
