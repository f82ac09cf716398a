/** Where a caller brings the credentials that a token is made from. */

import type { ListenerConfig } from './schema/listeners.ts';
import type { TokenConfig } from './schema/tokens.ts';

/** Basic credentials or a bearer token in `Authorization`, or whatever the grant takes in a field of its own. */
export type OwnCredentialsPlace = { readonly in: 'basic' } | { readonly in: 'bearer' } | { readonly in: 'field'; readonly field: string };

/** `undefined` for a token that is the same for all callers. */
export function ownCredentialsPlace(token: TokenConfig): OwnCredentialsPlace | undefined {
  if (token.grant === 'password') return token.resourceOwner === 'caller' ? { in: 'basic' } : undefined;
  if (!('subject' in token) || token.subject !== 'caller') return undefined;
  return token.subjectField === undefined ? { in: 'bearer' } : { in: 'field', field: token.subjectField };
}

/** Whether callers of a listener can have credentials there: where it reads `Authorization` itself, no bearer token fits in beside. */
export function canBringCredentials({ authenticate }: Pick<ListenerConfig, 'authenticate'>, place: OwnCredentialsPlace): boolean {
  if (place.in === 'basic') return authenticate.includes('basic-passthrough');
  const unfit = place.in === 'field' ? ['basic-passthrough'] : ['basic-passthrough', 'basic', 'negotiate'];
  return authenticate.some((way) => !unfit.includes(way));
}
