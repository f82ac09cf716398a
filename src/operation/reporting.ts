/** What happens in the broker, told to the log and the metrics. */

import { BREAKER_OPEN } from '../authorization-server/breaker.ts';
import type { KeysObserver } from '../authorization-server/issuer-keys.ts';
import type { TokenFault } from '../caller/jwt.ts';
import type { NegotiateFault, NegotiateObserver } from '../caller/negotiate.ts';
import { type AccessRecord, failureOf } from '../exchange.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { GrantObserver, TokenObserver } from '../token/observer.ts';
import type { StoreObserver } from '../token/store/shared-store.ts';
import type { SnapshotObserver } from '../token/store/snapshot.ts';

const QUESTION_MARK = 0x3f;
const HASH = 0x23;

/** A server that makes up thousands of scopes shall not fill the log. */
const MAX_SCOPE = 1_000;

/** What nobody foresaw, where no request can be answered for it. Tokens go from one broker to the next with a clock that knows this: it must not know the broker. */
export function reportFaults(log: Log, metrics: Metrics): (cause: unknown) => void {
  return (err) => {
    metrics.faults.inc();
    log.error({ err }, 'the broker failed');
  };
}

export function reportTokens(log: Log, metrics: Metrics): TokenObserver {
  return {
    granted(name, token, ms) {
      metrics.grants.inc({ token: name, outcome: 'granted' });
      metrics.grantSeconds.observe({ token: name }, ms / 1000);
      const { fingerprint, lifetimeMs, scope, missingScope } = token;
      const facts = {
        token: name,
        fingerprint,
        lifetimeSeconds: Math.round(lifetimeMs / 1000),
        scope: scope?.slice(0, MAX_SCOPE),
        ...(missingScope.length === 0 ? {} : { missingScope: missingScope.join(' ') }),
        ms: Math.round(ms),
      };
      log[missingScope.length === 0 ? 'info' : 'warn'](facts, 'token granted');
    },
    attemptFailed(name, failure) {
      metrics.grants.inc({ token: name, outcome: failure.reason === BREAKER_OPEN ? BREAKER_OPEN : failure.failureClass });
      log.debug({ token: name, err: failure }, 'token attempt failed');
    },
    grantFailed(name, failure, { ms, pauseMs, serving }) {
      const facts = {
        token: name,
        class: failure.failureClass,
        reason: failure.reason,
        said: failure.said,
        nextTrySeconds: Math.ceil(pauseMs / 1000),
        serving,
        ms: Math.round(ms),
      };
      log[serving ? 'warn' : 'error']({ ...facts, err: failure }, 'token not granted');
    },
    credentialsRefused(name, { reason, said }) {
      log.info({ token: name, reason, said }, 'credentials of a caller refused');
    },
    shared(name, token) {
      metrics.sharedTokens.inc({ token: name });
      log.info({ token: name, fingerprint: token.fingerprint }, 'token taken from the store');
    },
    revoked(name, token) {
      log.info({ token: name, fingerprint: token?.fingerprint }, 'token revoked');
    },
    notRevoked(name, failure) {
      log.warn({ token: name, reason: failure.reason, said: failure.said, err: failure }, 'token not revoked: good until it ends');
    },
    idle(name) {
      log.info({ token: name }, 'token idle: no longer renewed');
    },
  };
}

export function reportKeys(log: Log): KeysObserver {
  return {
    changed(issuer, keys) {
      log.info({ issuer, keys }, 'keys of an issuer read');
    },
    failed(issuer, failure, serving) {
      log[serving ? 'warn' : 'error']({ issuer, reason: failure.reason, serving, err: failure }, 'keys of an issuer cannot be read');
    },
  };
}

/** Who is refused by a token or by a certificate: the caller is never told why, whoever runs the broker is. */
export function reportRefusals(log: Log) {
  return {
    token(reason: TokenFault) {
      log.info({ reason }, 'token of a caller refused');
    },
    certificate(listener: string, reason: string) {
      log.info({ listener, reason }, 'certificate of a caller refused');
    },
  };
}

/** What a caller cannot mend: our clock, our keys, our disk. */
const TROUBLES: ReadonlySet<NegotiateFault> = new Set([
  'clock_skew',
  'no_key',
  'wrong_key',
  'other_service',
  'keytab_unusable',
  'replay_cache_unusable',
  'no_answer',
]);

/** Longer than any that a directory gives. */
const MAX_PRINCIPAL = 200;

export function reportNegotiate(log: Log): NegotiateObserver {
  return {
    refused(listener, reason, principal) {
      log[TROUBLES.has(reason) ? 'warn' : 'info']({ listener, reason, principal: principal?.slice(0, MAX_PRINCIPAL) }, 'ticket refused');
    },
  };
}

export function reportGrants(log: Log): (name: string) => GrantObserver {
  return (token) => ({
    secretChanged(position, count) {
      log.warn({ token, position, count }, 'client secret refused: using another of the list');
    },
    registered(clientId, reason) {
      log.info({ token, clientId, reason }, 'client registered');
    },
    registrationNotPersisted(err) {
      log.error({ token, err }, 'client registration not persisted: in use, but lost with this process');
    },
    registrationUnreadable(reason) {
      log.warn({ token, reason }, 'persisted client registration unreadable: not used');
    },
    refused({ reason, said }) {
      log.info({ token, reason, said }, 'refresh token refused: using the primary grant');
    },
    notPersisted(err) {
      log.error({ token, err }, 'refresh token not persisted: in use, but lost with this process');
    },
    unreadable(reason) {
      log.warn({ token, reason }, 'persisted refresh token unreadable: not used');
    },
  });
}

export function reportStore(log: Log, metrics: Metrics): StoreObserver & SnapshotObserver {
  return {
    lost(reason) {
      log.warn({ reason }, 'store lost: serving from memory alone');
    },
    recovered() {
      log.info('store recovered');
    },
    unreadable(reason, first) {
      metrics.storeUnreadable.inc();
      if (first) log.warn({ reason }, 'store entry unreadable: treated as missing');
    },
    notKept(err) {
      log.error({ err }, 'store snapshot not written: the one before stays');
    },
  };
}

/** One line and one count for each request. */
export function reportAccess(log: Log, metrics: Metrics, access: boolean, monotonic: () => number): (record: AccessRecord) => void {
  const logFor = createAccessLogs(log);
  return (record) => {
    const { requestId, listener, startedAt, route, status, error } = record;
    const ms = monotonic() - startedAt;
    metrics.requests.add({ listener, route: route ?? '', status: status ?? 0, code: failureOf(record) ?? '' }, ms / 1000);
    if (error?.code === 'INTERNAL') log.error({ requestId, err: error }, 'the broker failed');
    else if (error !== undefined) log.debug({ requestId, err: error }, 'request refused');
    if (access) logAccess(logFor(record), record, ms);
  };
}

function logAccess(log: Log, { requestId, token, method, target, status, error, cut }: AccessRecord, exactMs: number): void {
  const ms = Math.round(exactMs * 100) / 100;
  const { code, stage, proxyError } = error ?? {};
  log.info({ requestId, token: token?.fingerprint, method, path: pathOf(target), status, code, stage, proxyError, cut, ms }, 'request');
}

type Kind = Pick<AccessRecord, 'listener' | 'route' | 'caller' | 'version'>;

/** What repeats in access lines is written once for each listener, route and caller of the config, and copied from then on. */
function createAccessLogs(log: Log): (kind: Kind) => Log {
  const known = new Map<string, Log>();
  let last: { readonly kind: Kind; readonly log: Log } | undefined;
  return (kind) => {
    if (last !== undefined && isSame(kind, last.kind)) return last.log;
    const { listener, route, caller, version } = kind;
    const key = `${listener}\n${route}\n${caller}\n${version}`;
    const found = known.get(key) ?? log.child({ listener, caller, route, protocol: `HTTP/${version}` });
    known.set(key, found);
    last = { kind: { listener, route, caller, version } as Kind, log: found };
    return found;
  };
}

function isSame(a: Kind, b: Kind): boolean {
  return a.listener === b.listener && a.route === b.route && a.caller === b.caller && a.version === b.version;
}

/** Without its query; `""` for what is no path: whole URLs may hold a password, and fragments a token. */
function pathOf(target: string): string {
  return target.startsWith('/') ? target.slice(0, endOfPath(target)) : '';
}

function endOfPath(target: string): number {
  for (let at = 0; at < target.length; at += 1) {
    const code = target.charCodeAt(at);
    if (code === QUESTION_MARK || code === HASH) return at;
  }
  return target.length;
}
