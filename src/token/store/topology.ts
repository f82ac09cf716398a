/** A client for the configured Redis: one server, a cluster, or the master that the sentinels name. */

import { createClient, createCluster, createSentinel, type RedisClientType } from '@redis/client';
import type { RedisConfig } from '../../config/schema/redis.ts';
import type { Secret } from '../../config/secret.ts';

/** The one interface that all three have in common, as far as a store needs it. */
export type RedisClient = Pick<RedisClientType, 'connect' | 'eval' | 'on' | 'set'> & { destroy(): void | Promise<void> };

/** Noticed within this long that a cluster or its sentinels have named another master. */
const TOPOLOGY_MS = 1_000;

/** Not connected yet. @param pauseMs milliseconds before connecting once more */
export function createRedisClient(config: RedisConfig, pauseMs: (retries: number) => number): RedisClient {
  const { url, cluster, sentinel, username, password } = config;
  const options = clientOptions(config, pauseMs);
  const credentials = { ...(username !== undefined && { username }), ...(password !== undefined && { password: password.reveal() }) };
  // Their types differ in what the store does not use.
  if (cluster !== undefined) {
    return createCluster({
      rootNodes: cluster.nodes.map((socket) => ({ socket })),
      defaults: { ...options, ...credentials },
      topologyRefreshOnReconnectionAttemptStrategy: TOPOLOGY_MS,
    }) as unknown as RedisClient;
  }
  if (sentinel !== undefined) {
    return createSentinel({
      name: sentinel.master,
      sentinelRootNodes: sentinel.nodes.map(({ host, port }) => ({ host, port })),
      nodeClientOptions: { ...options, ...credentials },
      sentinelClientOptions: {
        ...options,
        ...(sentinel.username !== undefined && { username: sentinel.username }),
        ...(sentinel.password !== undefined && { password: sentinel.password.reveal() }),
      },
      scanInterval: TOPOLOGY_MS,
    }) as unknown as RedisClient;
  }
  return createClient({ url: (url as Secret).reveal(), ...options, ...credentials }) as unknown as RedisClient;
}

/** Options that keep node-redis from queueing, hanging or closing for good: its defaults do all three. */
function clientOptions(config: RedisConfig, pauseMs: (retries: number) => number) {
  const { commandTimeout, tls } = config;
  const encrypted = config.url === undefined ? tls !== undefined : /^rediss:/i.test(config.url.reveal());
  return {
    disableOfflineQueue: true,
    // RESP 2 and no introduction: a user with rights to our commands only can connect, to old servers too.
    RESP: 2 as const,
    disableClientInfo: true,
    maintNotifications: 'disabled' as const,
    // Below the socket's timeout, so that an idle connection is not taken for a dead one.
    pingInterval: 2_000,
    socket: {
      connectTimeout: 1_000,
      socketTimeout: Math.max(5_000, commandTimeout * 4),
      // Its own pauses go on after its end, and keep the process alive: of one server, the connection is made anew by whoever has the client.
      reconnectStrategy: config.url === undefined && pauseMs,
      ...(encrypted && {
        tls: true as const,
        ...pem('ca', tls?.ca),
        ...pem('cert', tls?.cert),
        ...pem('key', tls?.key),
        ...(tls?.serverName !== undefined && { servername: tls.serverName }),
      }),
    },
  };
}

function pem(name: 'ca' | 'cert' | 'key', secret: Secret | undefined): Record<string, string> {
  return secret === undefined ? {} : { [name]: secret.reveal() };
}
