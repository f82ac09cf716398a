/** A store for one test, without a server: what it holds and was given can be looked at. */

import type { StoredToken, TokenStore } from '../../src/token/store/store.ts';

export interface MemoryStore extends TokenStore {
  /** By identity. */
  readonly held: Map<string, StoredToken>;
  /** What was shared, in order. */
  readonly shared: { readonly identity: string; readonly token: StoredToken; readonly ttlMs: number }[];
  gaveUp: number;
}

export function memoryStore(): MemoryStore {
  const store: MemoryStore = {
    held: new Map(),
    shared: [],
    gaveUp: 0,
    obtain: async (identity, wanted) => {
      const token = store.held.get(identity);
      if (token !== undefined && wanted(token)) return token;
      return {
        share: (obtained, ttlMs) => {
          store.shared.push({ identity, token: obtained, ttlMs });
          store.held.set(identity, obtained);
        },
        giveUp: () => {
          store.gaveUp += 1;
        },
      };
    },
    remove: async (identity) => void store.held.delete(identity),
    close: async () => undefined,
  };
  return store;
}
