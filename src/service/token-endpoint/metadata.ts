/** What a token endpoint says of itself, so that a client library finds it by its issuer (RFC 8414). */

import type { ListenerConfig } from '../../config/schema/listeners.ts';
import { type CallerRequest, fieldValue } from '../../message.ts';
import { methodNotAllowed } from '../../route/router.ts';
import { invalid } from './form.ts';
import { tokenNameAt } from './offer.ts';

/** The issuer is the URL of the endpoint; this stands before its path (RFC 8414 §3.1). */
const WELL_KNOWN = '/.well-known/oauth-authorization-server';

const METHODS = ['GET', 'HEAD'];

/** How a client shows who it is (RFC 7591 §2), by our ways to know a caller; others are not OAuth's. */
const METHODS_OF_WAYS: Readonly<Record<string, readonly string[]>> = {
  basic: ['client_secret_basic', 'client_secret_post'],
  mtls: ['tls_client_auth'],
  anonymous: ['none'],
};

interface MetadataRequest extends Pick<CallerRequest, 'method' | 'target' | 'authority' | 'fields'> {
  readonly peer: Pick<CallerRequest['peer'], 'encrypted'>;
}

/**
 * The metadata that are asked for; `undefined` where something else is. They are the same for a token that there is, one that there is not and
 * one for somebody else, and so for everybody to read. Throws ROUTE_METHOD_NOT_ALLOWED, and REQUEST_INVALID where no `Host` is said.
 */
export function askedMetadata(
  request: MetadataRequest,
  ways: ListenerConfig['authenticate'],
): Readonly<Record<string, unknown>> | undefined {
  if (!request.target.startsWith(WELL_KNOWN)) return undefined;
  const path = request.target.slice(WELL_KNOWN.length);
  if (tokenNameAt(path) === undefined) return undefined;
  if (!METHODS.includes(request.method)) throw methodNotAllowed('metadata are not asked for by this method', METHODS);
  const endpoint = `${originOf(request)}${path}`;
  return {
    issuer: endpoint,
    token_endpoint: endpoint,
    grant_types_supported: ['client_credentials'],
    response_types_supported: [],
    token_endpoint_auth_methods_supported: ways.flatMap((way) => METHODS_OF_WAYS[way] ?? []),
  };
}

/** As the client named us: it takes no other for its issuer (RFC 8414 §3.3). */
function originOf({ peer, authority, fields }: MetadataRequest): string {
  const asked = authority ?? fieldValue(fields, 'host') ?? '';
  const url = `${peer.encrypted ? 'https' : 'http'}://${asked}`;
  if (!URL.canParse(url))
    throw invalid('the request does not say by a name or an address which host it asks: send that in the field "Host"');
  return new URL(url).origin;
}
