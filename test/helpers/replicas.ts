/** Many replicas' tokens in one process, over one real Redis: what a fleet does without the listeners around it. */

import { systemClock } from '../../src/clock.ts';
import { config as configSchema } from '../../src/config/schema/root.ts';
import type { CachedToken } from '../../src/token/cached.ts';
import { Tokens } from '../../src/token/tokens.ts';
import { UNOBSERVED } from '../../src/token/unobserved.ts';
import { confideTokens } from './eavesdropper.ts';
import { STORE_KEY } from './shared-store.ts';

export interface Replica {
  readonly source: CachedToken;
  /** What happened to its store: `lost …`, `recovered`. */
  readonly events: string[];
  close(): Promise<void>;
}

export interface ReplicaOptions {
  readonly tokenEndpoint: string;
  /** As a user would write it. */
  readonly redis: Record<string, unknown>;
  /** Merged over a token with the client credentials grant. */
  readonly token?: Record<string, unknown>;
}

export function startReplica({ tokenEndpoint, redis, token }: ReplicaOptions): Replica {
  const config = configSchema.parse({
    listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
    authorizationServers: { as: { tokenEndpoint } },
    tokens: confideTokens({
      orders: {
        authorizationServer: 'as',
        grant: 'client_credentials',
        clientId: 'orders-sidecar',
        clientAuthentication: { secret: { unsafeInline: 'orders-secret' } },
        ...token,
      },
    }),
    store: { redis, encryption: { keys: [STORE_KEY] } },
  });
  const events: string[] = [];
  const tokens = new Tokens({
    config,
    clock: systemClock,
    ...UNOBSERVED,
    storeObserver: {
      lost: (reason) => events.push(`lost ${reason}`),
      recovered: () => events.push('recovered'),
      unreadable: (reason) => events.push(`unreadable ${reason}`),
      notKept: () => events.push('not kept'),
    },
  });
  return { source: tokens.source('orders'), events, close: () => tokens.close() };
}
