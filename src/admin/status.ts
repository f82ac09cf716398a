/** What a running broker shows of itself: the answer of `/status`, and what the page, `/readyz` and `token-broker status` are made of. */

import type { ListenerConfig } from '../config/schema/listeners.ts';
import type { ErrorCode } from '../errors.ts';

/**
 * Instants are ISO 8601 in UTC, lengths of time are seconds. It holds names of the config, counts, states and codes of ours: no secret,
 * nothing that a caller sent, and nothing that an authorization server, an upstream or a store said.
 */
export interface BrokerStatus {
  /** Of this shape. It is raised when a member goes or changes its meaning; new members may come at any time. */
  readonly format: 1;
  readonly version: string;
  readonly now: string;
  readonly startedAt: string;
  readonly uptimeSeconds: number;
  /** When the config in use was taken over: `startedAt`, or the last reload. */
  readonly configuredAt: string;
  readonly phase: 'starting' | 'running' | 'draining' | 'stopped';
  /** Why `/readyz` answers 503; absent while it answers 200. */
  readonly notReady?: string | undefined;
  readonly requestsInFlight: number;
  /** Mistakes of ours since the start, for which no request could be answered. */
  readonly faults: number;
  /** How often since the start a changed file could not be used. */
  readonly reloadFailures: number;
  /** How many configs of before have requests in flight still. */
  readonly earlierConfigs: number;
  readonly listeners: readonly ListenerStatus[];
  readonly tokens: readonly TokenStatus[];
  readonly authorizationServers: readonly AuthorizationServerStatus[];
  readonly upstreams: readonly UpstreamStatus[];
  readonly store: StoreStatus;
  /** Files of the config that changed and cannot be used; their old content stays. */
  readonly unusableFiles: readonly UnusableFile[];
  /** That the broker shows others and that it trusts, and revocation lists. */
  readonly certificates: readonly CertificateStatus[];
}

export interface ListenerStatus {
  readonly name: string;
  readonly serve: ListenerConfig['serve'];
  /** Bound, as in `listening` of the log; absent while it is not. */
  readonly address?: string | undefined;
  readonly connections: number;
  readonly draining: boolean;
}

/** A failure of ours, by its code in docs/errors.md. */
export interface FailureStatus {
  readonly code: ErrorCode;
  readonly at: string;
}

export type TokenStatus = SharedTokenStatus | CallersTokenStatus;

interface TokenFacts {
  readonly name: string;
  readonly grant: string;
  readonly authorizationServer: string;
  /** Requests that wait for it. */
  readonly waiting: number;
}

/** The same token for all callers. */
export interface SharedTokenStatus extends TokenFacts {
  readonly perCaller: false;
  readonly state: 'none' | 'fresh' | 'renewing' | 'expired';
  /** It is being asked for at this moment. */
  readonly obtaining: boolean;
  /** When it is asked for without anybody's need; absent where it will not be. */
  readonly nextRenewalAt?: string | undefined;
  /** Absent where there was none since the start. */
  readonly lastFailure?: FailureStatus | undefined;
  /** Absent while there is none. */
  readonly held?: HeldToken | undefined;
}

/** The token at hand. */
export interface HeldToken {
  /** The first 8 hex digits of its SHA-256. */
  readonly fingerprint: string;
  /** When it was asked for: its lifetime begins here. */
  readonly obtainedAt: string;
  /** From here on it is renewed while it is being served. */
  readonly renewFrom: string;
  /** The hard margin: from here on it is never sent. */
  readonly unusableFrom: string;
  readonly expiresAt: string;
  readonly lifetimeSeconds: number;
  /** Negative once it has ended. */
  readonly secondsLeft: number;
}

/** One for each caller, made from what it brings. */
export interface CallersTokenStatus extends TokenFacts {
  readonly perCaller: true;
  /** Callers whose token is kept. */
  readonly callers: number;
}

export interface AuthorizationServerStatus {
  readonly name: string;
  /** `open`: it is left alone; `half-open`: the next request finds out whether it is back. */
  readonly breaker: 'closed' | 'open' | 'half-open';
  readonly openUntil?: string | undefined;
  /** Its metadata document; absent where the config names the token endpoint, so that none is read. */
  readonly metadata?: MetadataStatus | undefined;
}

export interface MetadataStatus {
  /** When the document in use was read; absent while there is none. */
  readonly readAt?: string | undefined;
  readonly ageSeconds?: number | undefined;
  /** The last try to read it failed; the document of before stays in use. */
  readonly failing: boolean;
}

/** Where the requests of one route go. */
export interface UpstreamStatus {
  readonly route: string;
  /** Scheme, host and port of the config. Connections to origins that tokens name are counted here, and the origins not shown. */
  readonly origin: string;
  readonly open: number;
  /** Of the open ones: kept for the next request. */
  readonly idle: number;
  /** Requests that wait for a connection. */
  readonly queued: number;
  /** Requests that failed there in the last five minutes. */
  readonly recentFailures: number;
  readonly lastFailure?: FailureStatus | undefined;
}

export interface StoreStatus {
  readonly kind: 'memory' | 'redis';
  /** Whether tokens are also kept in a file for the next start. */
  readonly snapshot: boolean;
  /** `lost`: served from memory alone. */
  readonly state: 'working' | 'lost';
  readonly lostAt?: string | undefined;
  /** Entries that could not be used since the start. */
  readonly unreadable: number;
}

export interface UnusableFile {
  /** The key of the config that names it; `config` for the config itself. */
  readonly key: string;
  /** Those that name it too. */
  readonly otherKeys: readonly string[];
  readonly at: string;
}

/** From when until when certificates or revocation lists are good, for what the config has them for. */
export interface CertificateStatus {
  /** The key of the config, as in `listeners.mesh.tls.cert`. */
  readonly key: string;
  /** Those that name the same file. */
  readonly otherKeys: readonly string[];
  /** `ending`: it was to be replaced before; `future`: it is not good yet. */
  readonly state: 'good' | 'future' | 'ending' | 'ended';
  readonly notBefore: string;
  /** Of a certificate that is two weeks before its end, or a fifth of a short life; of a revocation list, a twentieth of its period. */
  readonly endingFrom: string;
  readonly notAfter: string;
  /** What happens while it is not good, in words. */
  readonly effect: string;
}
