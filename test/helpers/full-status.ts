/** A status with everything that can be shown, once each way at least. */

import type { BrokerStatus } from '../../src/admin/status.ts';

const NOW = '2026-11-22T12:00:00.000Z';
const at = (seconds: number) => new Date(Date.parse(NOW) + seconds * 1000).toISOString();
const during = (from: number, ending: number, to: number) => ({ notBefore: at(from), endingFrom: at(ending), notAfter: at(to) });
const TOKEN = { grant: 'client_credentials', authorizationServer: 'acme', perCaller: false, obtaining: false, waiting: 0 } as const;

export const FULL_STATUS: BrokerStatus = {
  format: 1,
  version: '1.2.3',
  now: NOW,
  startedAt: at(-93_784),
  uptimeSeconds: 93_784,
  configuredAt: at(-3_600),
  phase: 'running',
  notReady: 'waiting for the eager tokens',
  requestsInFlight: 2,
  faults: 1,
  reloadFailures: 3,
  earlierConfigs: 2,
  listeners: [
    { name: 'local', serve: 'proxy', address: '127.0.0.1:8080', connections: 3, draining: false },
    { name: 'mesh', serve: 'token-endpoint', connections: 0, draining: true },
  ],
  tokens: [
    {
      ...TOKEN,
      name: 'orders',
      state: 'fresh',
      nextRenewalAt: at(3_000),
      lastFailure: { code: 'TOKEN_UNAVAILABLE', at: at(-90) },
      held: {
        fingerprint: '0123abcd',
        obtainedAt: at(-60),
        renewFrom: at(3_000),
        unusableFrom: at(3_535),
        expiresAt: at(3_540),
        lifetimeSeconds: 3_600,
        secondsLeft: 3_540,
      },
    },
    { ...TOKEN, name: 'ledger', state: 'none', obtaining: true, waiting: 7, lastFailure: { code: 'TOKEN_REJECTED', at: at(-5) } },
    {
      ...TOKEN,
      name: 'unused',
      state: 'expired',
      held: {
        fingerprint: '4567cdef',
        obtainedAt: at(-3_660),
        renewFrom: at(-120),
        unusableFrom: at(-65),
        expiresAt: at(-60),
        lifetimeSeconds: 3_600,
        secondsLeft: -60,
      },
    },
    { name: 'partners', grant: 'token_exchange', authorizationServer: 'acme', perCaller: true, callers: 12, waiting: 0 },
  ],
  authorizationServers: [
    { name: 'acme', breaker: 'open', openUntil: at(4), metadata: { readAt: at(-7_200), ageSeconds: 7_200, failing: true } },
    { name: 'legacy', breaker: 'closed' },
  ],
  upstreams: [
    {
      route: 'orders',
      origin: 'https://api.example',
      open: 4,
      idle: 3,
      queued: 0,
      recentFailures: 2,
      lastFailure: { code: 'UPSTREAM_TIMEOUT', at: at(-30) },
    },
  ],
  store: { kind: 'redis', snapshot: true, state: 'lost', lostAt: at(-61), unreadable: 1 },
  unusableFiles: [{ key: 'listeners.mesh.tls', otherKeys: [], at: at(-10) }],
  certificates: [
    { key: 'listeners.mesh.tls.cert', otherKeys: [], state: 'ending', ...during(-8_640_000, -60, 266_400), effect: 'others refuse it' },
    { key: 'listeners.mesh.tls.crl', otherKeys: [], state: 'ended', ...during(-8_640_000, -60_000, -7_200), effect: 'no caller gets in' },
    {
      key: 'store.redis.tls.ca',
      otherKeys: ['routes.orders.upstreamTls.ca'],
      state: 'future',
      ...during(60, 80_000, 86_400),
      effect: 'no server is trusted',
    },
    {
      key: 'tokens.orders.clientAuthentication.certificate',
      otherKeys: [],
      state: 'good',
      ...during(-60, 80_000, 86_400),
      effect: 'others refuse it',
    },
  ],
};
