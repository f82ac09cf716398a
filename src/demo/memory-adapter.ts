/**
 * The store that oidc-provider wants, for what it looks up again: clients, tokens that can be given back or used again, what was granted with them, and
 * what may be used only once.
 */

interface Payload extends Record<string, unknown> {
  readonly grantId?: string;
}

const REMEMBERED = ['Client', 'AccessToken', 'ClientCredentials', 'RefreshToken', 'Grant', 'ReplayDetection'];

/** More than any demo needs at a time. */
const MOST_ENTRIES = 10_000;

/** Kept for the life of the process, the latest of each kind; everything else is forgotten at once. */
export function memoryAdapters(): (model: string) => object {
  const nothing = () => Promise.resolve(undefined);
  const forgetful = { upsert: nothing, find: nothing, destroy: nothing, revokeByGrantId: nothing };
  const remembered = new Map(REMEMBERED.map((model) => [model, remembering()]));
  return (model) => remembered.get(model) ?? forgetful;
}

function remembering(): object {
  const entries = new Map<string, Payload>();
  return {
    upsert: async (id: string, payload: Payload) => {
      entries.set(id, payload);
      const [oldest] = entries.keys();
      if (oldest !== undefined && entries.size > MOST_ENTRIES) entries.delete(oldest);
    },
    find: async (id: string) => entries.get(id),
    destroy: async (id: string) => void entries.delete(id),
    consume: async (id: string) => void entries.set(id, { ...entries.get(id), consumed: true }),
    revokeByGrantId: async (grantId: string) => {
      for (const [id, payload] of entries) if (payload.grantId === grantId) entries.delete(id);
    },
  };
}
