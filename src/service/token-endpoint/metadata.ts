/** What a token endpoint says of itself, so that a client library finds it by its issuer (RFC 8414). */

import type { ListenerConfig } from '../../config/schema/listeners.ts';
import { BrokerError } from '../../errors.ts';
import { type CallerRequest, fieldValue } from '../../message.ts';
import { invalid } from './form.ts';

/** The issuer is the URL of the endpoint; the well-known part stands before its path (RFC 8414 §3.1). */
const PATH = /^\/\.well-known\/oauth-authorization-server(\/tokens\/[A-Za-z0-9._-]+)$/;

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
  const path = PATH.exec(request.target)?.[1];
  if (path === undefined) return undefined;
  if (!METHODS.includes(request.method)) {
    throw new BrokerError('ROUTE_METHOD_NOT_ALLOWED', 'metadata are not asked for by this method: use one of those in "Allow"', {
      stage: 'route',
      fields: ['Allow', METHODS.join(', ')],
    });
  }
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
