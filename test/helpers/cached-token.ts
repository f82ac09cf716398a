/** A cached token around a grant that the test plays. */

import { token as tokenSchema } from '../../src/config/schema/tokens.ts';
import { CachedToken } from '../../src/token/cached.ts';
import type { TokenObserver } from '../../src/token/observer.ts';
import type { KeptToken } from '../../src/token/source.ts';
import type { TokenStore } from '../../src/token/store/store.ts';
import { Token } from '../../src/token/token.ts';
import { FakeClock } from './fake-clock.ts';

function renewConfig(overrides: Record<string, unknown> = {}) {
  const base = {
    authorizationServer: 'as',
    grant: 'client_credentials',
    clientId: 'c',
    clientAuthentication: { secret: { unsafeInline: 's' } },
  };
  return tokenSchema.parse({ ...base, renew: overrides }).renew;
}

interface RigOptions {
  readonly renew?: Record<string, unknown>;
  readonly lifetimeMs?: number;
  readonly store?: TokenStore;
  readonly clock?: FakeClock;
}

/** The grant answers with the next of `answers`, or waits to be told. */
export function cachedTokenRig(options: RigOptions = {}) {
  const { clock = new FakeClock() } = options;
  const events: string[] = [];
  let grants = 0;
  let identity = 'alice';
  let next: () => Promise<void> = async () => {};
  const observer: TokenObserver = {
    granted: () => events.push('granted'),
    attemptFailed: () => events.push('attempt failed'),
    grantFailed: (_name, failure, { serving }) => events.push(`failed ${failure.reason}${serving ? ' serving' : ''}`),
    credentialsRefused: () => events.push('credentials refused'),
    shared: () => events.push('shared'),
    idle: () => events.push('idle'),
    revoked: () => events.push('revoked'),
    notRevoked: () => events.push('not revoked'),
  };
  let kept: KeptToken | undefined;
  const grant = {
    kept: () => kept,
    keep: (before: KeptToken | undefined) => {
      kept ??= before;
    },
    async get() {
      grants += 1;
      const number = grants;
      const requestedAt = clock.now();
      await next();
      kept = { token: `refresh-${number}`, of: identity };
      return new Token({ value: `token-${number}`, requestedAt, lifetimeMs: options.lifetimeMs ?? 100_000, scope: 'a b' }, clock);
    },
  };
  const cached = new CachedToken({
    name: 'orders',
    get identity() {
      return identity;
    },
    grant,
    renew: renewConfig(options.renew),
    store: options.store,
    discard: async (token, of) => void events.push(`discarded ${token?.fingerprint} of ${of}`),
    observer,
    clock,
  });
  return {
    clock,
    cached,
    events,
    grants: () => grants,
    kept: () => kept?.token,
    become: (name: string) => {
      identity = name;
      cached.secretChanged();
    },
    answerWith: (answer: () => Promise<void>) => {
      next = answer;
    },
  };
}
