/** Gathers what a running broker shows of itself from those who know it. */

import packageJson from '../../../package.json' with { type: 'json' };
import type { AuthorizationServerStatus, BrokerStatus, ListenerStatus, TokenStatus, UpstreamStatus } from '../../admin/status.ts';
import type { AuthorizationServer } from '../../authorization-server/authorization-server.ts';
import type { Clock } from '../../clock.ts';
import type { ListenerConfig } from '../../config/schema/listeners.ts';
import type { Config } from '../../config/schema/root.ts';
import type { HttpListener } from '../../listener/http-listener.ts';
import type { Exit } from '../../stages/exit.ts';
import type { CachedToken } from '../../token/cached.ts';
import type { Tokens } from '../../token/tokens.ts';
import type { Certificates } from '../certificates.ts';
import type { StoreHealth } from './store-health.ts';
import type { UnusableFiles } from './unusable-files.ts';

/** By both clocks. */
export interface Beginning {
  /** Milliseconds since the epoch. */
  readonly at: number;
  readonly monotonic: number;
}

export function beginning(clock: Clock): Beginning {
  return { at: clock.now(), monotonic: clock.monotonic() };
}

export interface StatusParts {
  readonly config: Pick<Config, 'listeners' | 'tokens'>;
  readonly clock: Clock;
  /** Of the first broker of the process, whatever configs it has had since. */
  readonly began: Beginning;
  readonly tokens: Tokens;
  readonly listeners: readonly HttpListener[];
  /** Bound ones, by listener name. */
  readonly addresses: () => ReadonlyMap<string, string>;
  readonly exits: ReadonlyMap<string, Exit>;
  readonly store: StoreHealth;
  readonly unusableFiles: UnusableFiles;
  readonly certificates: Certificates;
  readonly counts: () => Pick<BrokerStatus, 'requestsInFlight' | 'faults' | 'reloadFailures' | 'earlierConfigs'>;
}

/** @returns what the broker shows, given its phase and why it is not ready */
export function createStatus(parts: StatusParts): (phase: BrokerStatus['phase'], notReady: string | undefined) => BrokerStatus {
  const { clock, began, tokens, listeners, exits, store, unusableFiles, certificates, counts } = parts;
  const configuredAt = clock.now();
  return (phase, notReady) => {
    const times = new Times(clock);
    return {
      format: 1,
      version: packageJson.version,
      now: times.in(0),
      startedAt: times.at(began.at),
      uptimeSeconds: seconds(clock.monotonic() - began.monotonic),
      configuredAt: times.at(configuredAt),
      phase,
      notReady,
      ...counts(),
      listeners: listeners.map((listener) => listenerStatus(listener, parts)),
      tokens: Object.keys(parts.config.tokens).map((name) => tokenStatus(name, parts, times)),
      authorizationServers: [...tokens.servers()].map(([name, server]) => serverStatus(name, server, times)),
      upstreams: [...exits].map(([route, exit]) => upstreamStatus(route, exit, times)),
      store: store.status(),
      unusableFiles: unusableFiles.status(),
      certificates: certificates.status(),
    };
  };
}

/** Instants around one moment. */
class Times {
  readonly #now: number;

  constructor(clock: Clock) {
    this.#now = clock.now();
  }

  in(ms: number): string {
    return this.at(this.#now + ms);
  }

  /** @param instant milliseconds since the epoch */
  at(instant: number): string {
    return new Date(Math.round(instant)).toISOString();
  }

  failure<Failure extends { readonly at: number }>(last: Failure | undefined): (Omit<Failure, 'at'> & { at: string }) | undefined {
    return last && { ...last, at: this.at(last.at) };
  }
}

function seconds(ms: number): number {
  return Math.round(ms) / 1000;
}

function listenerStatus(listener: HttpListener, { config, addresses }: StatusParts): ListenerStatus {
  const { name, openConnections: connections, draining } = listener;
  const { serve } = config.listeners[name] as ListenerConfig;
  return { name, serve, address: addresses().get(name), connections, draining };
}

function tokenStatus(name: string, { config, tokens }: StatusParts, times: Times): TokenStatus {
  const { grant, authorizationServer } = config.tokens[name] as Config['tokens'][string];
  const ofCallers = tokens.ofCallers(name);
  if (ofCallers !== undefined) {
    const { waiting, callers } = ofCallers;
    return { name, grant, authorizationServer, perCaller: true, callers, waiting };
  }
  const { state, obtaining, waiting, renewsInMs, lastFailure, ...held } = tokens.source(name).status();
  return {
    name,
    grant,
    authorizationServer,
    perCaller: false,
    state,
    obtaining,
    waiting,
    nextRenewalAt: renewsInMs === undefined ? undefined : times.in(renewsInMs),
    lastFailure: times.failure(lastFailure),
    held: heldToken(held, times),
  };
}

function heldToken({ fingerprint, plan }: Pick<ReturnType<CachedToken['status']>, 'fingerprint' | 'plan'>, times: Times) {
  if (fingerprint === undefined || plan === undefined) return undefined;
  const { lifetimeMs, ageMs, renewAtAge, unusableAtAge } = plan;
  return {
    fingerprint,
    obtainedAt: times.in(-ageMs),
    renewFrom: times.in(renewAtAge - ageMs),
    unusableFrom: times.in(unusableAtAge - ageMs),
    expiresAt: times.in(lifetimeMs - ageMs),
    lifetimeSeconds: seconds(lifetimeMs),
    secondsLeft: seconds(lifetimeMs - ageMs),
  };
}

function serverStatus(name: string, server: AuthorizationServer, times: Times): AuthorizationServerStatus {
  const { breaker, metadata } = server.status();
  const { ageMs, failing = false } = metadata ?? {};
  return {
    name,
    breaker: breaker.state,
    openUntil: breaker.state === 'open' ? times.in(breaker.openForMs) : undefined,
    metadata: metadata && (ageMs === undefined ? { failing } : { readAt: times.in(-ageMs), ageSeconds: seconds(ageMs), failing }),
  };
}

function upstreamStatus(route: string, exit: Exit, times: Times): UpstreamStatus {
  const { recent, last } = exit.failures.facts();
  return { route, origin: exit.origin, ...exit.counts(), recentFailures: recent, lastFailure: times.failure(last) };
}
