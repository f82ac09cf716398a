/** The origin that a token answer names for the upstream: only one that the config allows. */

import type { TokenConfig } from '../config/schema/tokens.ts';

export type UpstreamFrom = NonNullable<TokenConfig['upstreamFrom']>;

/** The origin in the one spelling of the URL standard; `undefined` for whatever is no bare origin, or none that is allowed. */
export function allowedOrigin(value: unknown, { allow }: UpstreamFrom): string | undefined {
  if (typeof value !== 'string' || !BARE_ORIGIN.test(value) || !URL.canParse(value)) return undefined;
  const { origin } = new URL(value);
  return allow.some((pattern) => fits(origin, pattern)) ? origin : undefined;
}

/** No user, path, query or fragment: each could make two readers see two hosts. */
const BARE_ORIGIN = /^https?:\/\/(?:[\w.-]+|\[[\da-f:.]+\])(?::\d{1,5})?\/?$/i;

/** A `*` stands for one whole label of the host. */
function fits(origin: string, pattern: string): boolean {
  const text = new URL(pattern).origin.replace(/[.[\]]/g, '\\$&').replaceAll('*', '[a-z0-9_-]+');
  return new RegExp(`^${text}$`).test(origin);
}
