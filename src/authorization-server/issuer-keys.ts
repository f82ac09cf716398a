/** The keys that an issuer signs its tokens with: fetched when they are first needed, kept, and read again as they grow old. */

import { createLocalJWKSet, type JWK, type JWTHeaderParameters, type JWTVerifyGetKey } from 'jose';
import type { Clock } from '../clock.ts';
import type { JwtConfig } from '../config/schema/callers.ts';
import { fitKeysOf, verificationKeysOf } from '../config/verification-keys.ts';
import { AuthorizationServerCalls } from './call.ts';
import { discover, isAcceptableUrl, readDocument } from './discovery.ts';
import { AuthorizationServerError, toAuthorizationServerError } from './failure.ts';
import { FetchedDocument } from './fetched-document.ts';
import { readJson } from './jwt.ts';

/** The keys of one moment. Another object means other keys. */
export interface KeySet {
  readonly find: JWTVerifyGetKey;
  readonly size: number;
  /** What tells other keys from the same ones. */
  readonly text: string;
}

export interface IssuerKeys {
  /** What is there already and young enough; begins to read again where that is due. Cheap: asked with every request. */
  current(): KeySet | undefined;
  /** Rejects with `AuthorizationServerError` while there are none. */
  get(): Promise<KeySet>;
  /** For a token whose key is not among `known`: others, if there are any. Rejects where that cannot be found out. */
  after(known: KeySet): Promise<KeySet | undefined>;
  /** Where they are fetched. */
  readonly document?: FetchedDocument<KeySet>;
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
  return config.keys === undefined ? fetchedKeys(config, clock, observer) : givenKeys(config.keys);
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
    after: () => Promise.resolve(undefined),
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
    text: JSON.stringify(keys),
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
/** A token can name any key: who makes tokens up can have the keys read once in this time. */
const UNKNOWN_KEY_MS = 10_000;
/** Half of all who may wait, so that whoever makes keys up holds up nobody whose key is there. */
const MOST_UNKNOWN = 500;

/** Keys that are read again as they grow old, and for a key that is not among them. */
function fetchedKeys(config: IssuerKeysConfig, clock: Clock, observer: KeysObserver): IssuerKeys {
  const { issuer, keysMaxAge } = config;
  const calls = new AuthorizationServerCalls({
    timeoutMs: TIMEOUT_MS,
    connectTimeoutMs: CONNECT_TIMEOUT_MS,
    ca: () => config.tls.ca?.reveal(),
    proxy: config.proxy,
  });
  const document = new FetchedDocument(read, keysMaxAge, clock);
  /** Who waits for a key that may not exist. */
  let unknown = 0;

  async function read(): Promise<KeySet> {
    try {
      const found = keySetOf(await readKeys(config, calls));
      const { kept } = document.reads;
      if (kept?.text === found.text) return kept;
      observer.changed(issuer, found.size);
      return found;
    } catch (error) {
      const failure = toAuthorizationServerError(error);
      if (failure.reason !== 'closed') observer.failed(issuer, failure, document.reads.kept !== undefined);
      throw failure;
    }
  }

  async function readForUnknown(): Promise<KeySet> {
    if (unknown >= MOST_UNKNOWN) throw new AuthorizationServerError('transient', 'too_many_unknown_keys');
    unknown += 1;
    try {
      return await document.read();
    } finally {
      unknown -= 1;
    }
  }

  function current(): KeySet | undefined {
    const kept = document.current();
    // Nobody asked for a long time: a key that the issuer took back meanwhile must not serve once more.
    return document.triedAgoMs < 2 * keysMaxAge ? kept : undefined;
  }

  async function after(known: KeySet): Promise<KeySet | undefined> {
    const { kept, failure } = document.reads;
    const isJustRead = document.triedAgoMs < UNKNOWN_KEY_MS && !document.reading;
    if (kept === known && isJustRead && failure !== undefined) throw failure;
    const found = kept === known && !isJustRead ? await readForUnknown() : kept;
    return found === known ? undefined : found;
  }

  return {
    current,
    get: async () => current() ?? document.latest(),
    after,
    document,
    follow: (before) => before.document && document.follow(before.document),
    close: () => calls.close(),
  };
}

async function readKeys({ issuer, jwksUri, bearerToken }: IssuerKeysConfig, calls: AuthorizationServerCalls): Promise<JWK[]> {
  const headers = bearerToken && { authorization: `Bearer ${await bearerToken.fresh()}` };
  const keys = fitKeysOf(readJson(await readDocument(calls, jwksUri ?? (await findKeys(issuer, calls)), headers)));
  if (keys.length === 0) throw new AuthorizationServerError('transient', 'keys_missing');
  return keys;
}

async function findKeys(issuer: string, calls: AuthorizationServerCalls): Promise<string> {
  const { jwks_uri: found } = await discover({ issuer, calls });
  if (!isAcceptableUrl(found, { url: issuer })) throw new AuthorizationServerError('transient', 'jwks_uri_unacceptable');
  return found;
}
