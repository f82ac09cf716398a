/** Observers for those who only want tokens. */

import type { TokensOptions } from './tokens.ts';

const ignore = () => undefined;

export const UNOBSERVED: Pick<TokensOptions, 'observer' | 'storeObserver' | 'grantObserver'> = {
  observer: {
    granted: ignore,
    attemptFailed: ignore,
    grantFailed: ignore,
    credentialsRefused: ignore,
    shared: ignore,
    idle: ignore,
    revoked: ignore,
    notRevoked: ignore,
  },
  storeObserver: { lost: ignore, recovered: ignore, unreadable: ignore, notKept: ignore },
  grantObserver: () => ({
    secretChanged: ignore,
    registered: ignore,
    registrationNotPersisted: ignore,
    registrationUnreadable: ignore,
    refused: ignore,
    notPersisted: ignore,
    unreadable: ignore,
  }),
};
