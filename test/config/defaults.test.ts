/** The defaults that the contract promises, typed from it and not from the schema: whoever changes one changes what others rely on. */

import { expect, test } from '@jest/globals';
import { parseConfig } from '../../src/config/parse.ts';
import { valueAt } from '../../src/config/path.ts';
import { bent } from './fixture.ts';

const KIB = 1024;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

const least = bent((config) => {
  config['listeners'].local.tls = { cert: { fromEnv: 'CERT' }, key: { fromEnv: 'KEY' } };
  config['store'] = { redis: { url: { fromEnv: 'REDIS_URL' } }, unsafePlaintext: true };
});

test.each<[key: string, value: unknown]>([
  ['listeners.local.serve', 'proxy'],
  ['listeners.local.protocols', ['http/1.1']],
  ['listeners.local.hosts', undefined],
  ['listeners.local.tls.minVersion', 'TLSv1.2'],
  ['listeners.local.limits.maxHeader', 16 * KIB],
  ['listeners.local.limits.maxFields', 100],
  ['listeners.local.limits.maxTarget', 8 * KIB],
  ['listeners.local.limits.headTimeout', 10 * SECOND],
  ['listeners.local.limits.idleTimeout', 60 * SECOND],
  ['listeners.local.limits.maxConnections', 10_000],
  ['listeners.local.unsafeAnonymous', undefined],
  ['listeners.local.unsafePlaintext', undefined],
  ['authorizationServers.acme.metadataMaxAge', HOUR],
  ['authorizationServers.acme.timeout', 10 * SECOND],
  ['authorizationServers.acme.connectTimeout', 2 * SECOND],
  ['authorizationServers.acme.tokenTypes', ['Bearer']],
  ['authorizationServers.acme.unsafeHttp', undefined],
  ['tokens.orders.clientAuthentication.method', 'client_secret_basic'],
  ['tokens.orders.maxSize', 8 * KIB],
  ['tokens.orders.dpop', undefined],
  ['tokens.orders.revokeOnShutdown', false],
  ['tokens.orders.callers', []],
  ['tokens.orders.renew.minInterval', SECOND],
  ['tokens.orders.renew.eager', true],
  ['tokens.orders.renew.idleAfter', 10 * MINUTE],
  ['tokens.orders.renew.defaultLifetime', 5 * MINUTE],
  ['tokens.orders.renew.maxLifetime', 24 * HOUR],
  ['routes.orders.inject.header', 'Authorization'],
  ['routes.orders.headers', {}],
  ['routes.orders.onUnauthorized', 'renew'],
  ['routes.orders.replayBuffer', 64 * KIB],
  ['routes.orders.timeouts.connect', 5 * SECOND],
  ['routes.orders.timeouts.response', 60 * SECOND],
  ['routes.orders.timeouts.idle', 60 * SECOND],
  ['routes.orders.maxBody', undefined],
  ['routes.orders.maxConnectionAge', 5 * MINUTE],
  ['routes.orders.rewriteLocation', true],
  ['routes.orders.forwarded', false],
  ['routes.orders.via', true],
  ['routes.orders.upgrade', false],
  ['routes.orders.unsafeHttp', undefined],
  ['store.prefix', 'token-broker:'],
  ['store.redis.commandTimeout', 250],
  ['admin.address', { kind: 'tcp', host: '127.0.0.1', port: 9099 }],
  ['probes.address', undefined],
  ['readiness', 'listening'],
  ['shutdown.delay', 0],
  ['shutdown.grace', 25 * SECOND],
  ['telemetry', undefined],
])('%s is %j where nothing says otherwise', (key, value) => {
  const path = key.split('.');
  const { config } = parseConfig(least);
  expect(valueAt(config, path)).toEqual(value);
  expect(valueAt(config, path.slice(0, -1))).toEqual(expect.any(Object));
});

test('a store is that of this process, and a route is open to nobody, where nothing is said of them', () => {
  const config = bent(({ routes }) => delete routes.orders.callers);
  expect(parseConfig(config).config?.store).toBeUndefined();
  expect(parseConfig(config).config?.routes['orders']?.callers).toEqual([]);
});
