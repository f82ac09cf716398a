/** What an authorization server says of itself, read from the metadata of its issuer. */

import { AuthorizationServerCalls } from '../../authorization-server/call.ts';
import { AuthorizationServerError } from '../../authorization-server/failure.ts';
import { type Metadata, MetadataDocument } from '../../authorization-server/metadata.ts';
import { systemClock } from '../../clock.ts';
import { printable } from '../../config/path.ts';
import { authorizationServer } from '../../config/schema/authorization-servers.ts';
import { describeFailure } from '../describe-failure.ts';

export interface Offer {
  /** RFC 8414 §2: a server that lists none takes `client_secret_basic`. */
  readonly methods: readonly string[];
  /** Lines for people. */
  readonly said: readonly string[];
}

/** Rejects with `OfferError`, whose message ends a sentence that begins with the issuer. */
export async function readOffer(issuer: string): Promise<Offer> {
  const config = authorizationServer.parse({ issuer });
  const calls = new AuthorizationServerCalls({ timeoutMs: config.timeout, connectTimeoutMs: config.connectTimeout, ca: () => undefined });
  try {
    return offerOf(await new MetadataDocument(config, calls, systemClock).get());
  } catch (error) {
    if (!(error instanceof AuthorizationServerError)) throw error;
    throw new OfferError(`cannot be asked: ${describeFailure(error)}; or leave out --online`);
  } finally {
    await calls.close();
  }
}

export class OfferError extends Error {}

/** A server may list hundreds of scopes. */
const MOST_SHOWN = 12;

function offerOf({ token_endpoint, lists }: Metadata): Offer {
  const methods = lists.token_endpoint_auth_methods_supported ?? ['client_secret_basic'];
  const facts = { 'token endpoint': [token_endpoint], grants: lists.grant_types_supported, 'client authentication': methods };
  const said = Object.entries({ ...facts, scopes: lists.scopes_supported }).flatMap(([what, items]) =>
    items === undefined ? [] : [`  ${what}: ${shown(items)}`],
  );
  return { methods, said };
}

function shown(items: readonly string[]): string {
  const more = items.length > MOST_SHOWN ? `, and ${items.length - MOST_SHOWN} more` : '';
  return items.slice(0, MOST_SHOWN).map(printable).join(', ') + more;
}
