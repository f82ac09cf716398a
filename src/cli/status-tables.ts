/** What a running broker shows of itself, as tables for people. */

import type {
  AuthorizationServerStatus,
  BrokerStatus,
  CertificateStatus,
  FailureStatus,
  ListenerStatus,
  StoreStatus,
  TokenStatus,
  UpstreamStatus,
} from '../admin/status.ts';
import type { Paint } from './paint.ts';
import { type Cell, formatTable, type Table } from './table.ts';
import { ago, duration, until } from './time-text.ts';

const good = (text: string): Cell => ({ style: 'green', text });
const warn = (text: string): Cell => ({ style: 'yellow', text });
const bad = (text: string): Cell => ({ style: 'red', text });

/** Blank lines between the tables. */
export function describeStatus(status: BrokerStatus, paint: Paint): string[] {
  const { now } = status;
  const tables = [
    tokenTable(status.tokens, now),
    upstreamTable(status.upstreams, now),
    serverTable(status.authorizationServers, now),
    listenerTable(status.listeners),
    storeTable(status.store, now),
    certificateTable(status, now),
    countTable(status),
    { headings: ['UNUSABLE FILE', 'SINCE'], rows: status.unusableFiles.map((file) => [bad(keysOf(file)), ago(file.at, now)]) },
  ];
  return [
    headLine(status, paint),
    ...tables.map((table) => formatTable(table, paint)).flatMap((lines) => (lines.length === 0 ? [] : ['', ...lines])),
  ];
}

function headLine({ version, notReady, uptimeSeconds, requestsInFlight }: BrokerStatus, paint: Paint): string {
  const readiness = notReady === undefined ? paint('green', 'ready') : paint('red', `not ready: ${notReady}`);
  return `token-broker ${version}, ${readiness}, up for ${duration(uptimeSeconds)}, requests in flight: ${requestsInFlight}`;
}

/** One stands for all keys that name the same file. */
function keysOf({ key, otherKeys }: { readonly key: string; readonly otherKeys: readonly string[] }): string {
  return otherKeys.length === 0 ? key : `${key} and ${otherKeys.length} more`;
}

/** Those that need somebody. */
function certificateTable({ certificates }: BrokerStatus, now: string): Table {
  const wanting = certificates.filter(({ state }) => state !== 'good');
  return {
    headings: ['CERTIFICATE OR REVOCATION LIST', 'STATE'],
    rows: wanting.map((certificate) => [keysOf(certificate), certificateCell(certificate, now)]),
  };
}

function certificateCell({ state, notBefore, notAfter, effect }: CertificateStatus, now: string): Cell {
  if (state === 'future') return bad(`good ${until(notBefore, now)}; until then ${effect}`);
  return state === 'ended' ? bad(`ended ${ago(notAfter, now)}: ${effect}`) : warn(`ends ${until(notAfter, now)}; from then on ${effect}`);
}

/** Of what is mostly nothing. */
function countTable({ faults, reloadFailures, earlierConfigs }: BrokerStatus): Table {
  const counts: [Cell, number][] = [
    [bad('mistakes of ours: please report them'), faults],
    ['changed files that could not be used', reloadFailures],
    ['earlier configs with requests in flight', earlierConfigs],
  ];
  return {
    headings: ['WORTH A LOOK', 'COUNT'],
    rows: counts.filter(([, count]) => count > 0).map(([what, count]) => [what, String(count)]),
  };
}

function tokenTable(tokens: readonly TokenStatus[], now: string): Table {
  const headings = [
    'TOKEN',
    'STATE',
    'LEFT',
    'OF',
    'NEXT RENEWAL',
    'WAITING',
    'LAST FAILURE',
    'FINGERPRINT',
    'GRANT',
    'AUTHORIZATION SERVER',
  ];
  return { headings, rows: tokens.map((token) => tokenCells(token, now)) };
}

function tokenCells(token: TokenStatus, now: string): Cell[] {
  const { name, grant, authorizationServer } = token;
  const waiting = String(token.waiting);
  if (token.perCaller)
    return [name, `kept for ${token.callers} callers`, '', '', 'by its caller', waiting, '', '', grant, authorizationServer];
  const { held, obtaining, nextRenewalAt, lastFailure } = token;
  const isOver = held !== undefined && lastFailure !== undefined && held.obtainedAt > lastFailure.at;
  return [
    name,
    stateCell(token.state, lastFailure !== undefined && !isOver),
    held === undefined ? '' : held.secondsLeft > 0 ? duration(held.secondsLeft) : `ended ${ago(held.expiresAt, now)}`,
    held === undefined ? '' : duration(held.lifetimeSeconds),
    obtaining ? 'now' : nextRenewalAt === undefined ? 'when needed' : until(nextRenewalAt, now),
    waiting,
    failureCell(lastFailure, now, isOver),
    held?.fingerprint ?? '',
    grant,
    authorizationServer,
  ];
}

/** That a token has ended, since nobody needed it, is no trouble by itself. */
function stateCell(state: 'none' | 'fresh' | 'renewing' | 'expired', failing: boolean): Cell {
  if (state === 'fresh') return good(state);
  if (state === 'renewing') return warn(state);
  return failing ? bad(state) : state;
}

function failureCell(last: FailureStatus | undefined, now: string, isOver: boolean): Cell {
  if (last === undefined) return '';
  const text = `${last.code} ${ago(last.at, now)}`;
  return isOver ? text : bad(text);
}

function upstreamTable(upstreams: readonly UpstreamStatus[], now: string): Table {
  const headings = ['ROUTE', 'UPSTREAM', 'CONNECTIONS', 'IDLE', 'QUEUED', 'FAILURES IN 5M', 'LAST FAILURE'];
  const cells = ({ route, origin, open, idle, queued, recentFailures: recent, lastFailure }: UpstreamStatus): Cell[] => {
    const failures = recent > 0 ? bad(String(recent)) : '0';
    return [route, origin, String(open), String(idle), String(queued), failures, failureCell(lastFailure, now, recent === 0)];
  };
  return { headings, rows: upstreams.map(cells) };
}

function serverTable(servers: readonly AuthorizationServerStatus[], now: string): Table {
  const cells = ({ name, breaker, openUntil, metadata }: AuthorizationServerStatus): Cell[] => {
    const state = openUntil === undefined ? breaker : `${breaker}, tried again ${until(openUntil, now)}`;
    return [name, breaker === 'closed' ? good(state) : bad(state), metadataCell(metadata, now)];
  };
  return { headings: ['AUTHORIZATION SERVER', 'BREAKER', 'METADATA'], rows: servers.map(cells) };
}

function metadataCell(metadata: AuthorizationServerStatus['metadata'], now: string): Cell {
  if (metadata === undefined) return 'in the config';
  const text = metadata.readAt === undefined ? 'not read yet' : `read ${ago(metadata.readAt, now)}`;
  return metadata.failing ? bad(`${text}; the last try failed`) : text;
}

function listenerTable(listeners: readonly ListenerStatus[]): Table {
  const cells = ({ name, serve, address, connections, draining }: ListenerStatus): Cell[] => {
    const state = draining ? warn('draining') : address === undefined ? 'not bound' : good('accepting');
    return [name, serve, address ?? '', state, String(connections)];
  };
  return { headings: ['LISTENER', 'SERVES', 'ADDRESS', 'STATE', 'CONNECTIONS'], rows: listeners.map(cells) };
}

function storeTable({ kind, snapshot, state, lostAt, unreadable }: StoreStatus, now: string): Table {
  const where = snapshot ? `${kind}, snapshot` : kind;
  const shown = lostAt === undefined ? good(state) : bad(`${state} ${ago(lostAt, now)}`);
  return { headings: ['STORE', 'STATE', 'UNREADABLE ENTRIES'], rows: [[where, shown, String(unreadable)]] };
}
