/** The store that oidc-provider wants, for what it looks up again: refresh tokens, what was granted with them, and what may be used only once. */

interface Payload extends Record<string, unknown> {
  readonly grantId?: string;
}

/** Kept for the life of the process; everything else is forgotten at once, since nothing here takes an access token back. */
export function memoryAdapters(): (model: string) => object {
  const nothing = () => Promise.resolve(undefined);
  const forgetful = { upsert: nothing, find: nothing, destroy: nothing, revokeByGrantId: nothing };
  const remembered = new Map(['RefreshToken', 'Grant', 'ReplayDetection'].map((model) => [model, remembering()]));
  return (model) => remembered.get(model) ?? forgetful;
}

function remembering(): object {
  const entries = new Map<string, Payload>();
  return {
    upsert: async (id: string, payload: Payload) => void entries.set(id, payload),
    find: async (id: string) => entries.get(id),
    destroy: async (id: string) => void entries.delete(id),
    consume: async (id: string) => void entries.set(id, { ...entries.get(id), consumed: true }),
    revokeByGrantId: async (grantId: string) => {
      for (const [id, payload] of entries) if (payload.grantId === grantId) entries.delete(id);
    },
  };
}
