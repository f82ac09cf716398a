/** The metadata document of an issuer: found at its well-known places, fetched once, believed only when it names that issuer. */

import * as oauth from 'openid-client';
import { isLoopbackHost } from '../config/loopback.ts';
import type { AuthorizationServerCalls } from './call.ts';
import { AuthorizationServerError, toAuthorizationServerError } from './failure.ts';
import { onOneLine } from './said.ts';

export interface Discovery {
  /** Compared byte for byte. */
  readonly issuer: string;
  /** Where the document is, when not at a well-known place. */
  readonly metadataUrl?: string | undefined;
  readonly calls: AuthorizationServerCalls;
}

/** By OpenID Connect Discovery 1.0 §4, then RFC 8414 §3 where that is 404. Which endpoints it must name is for others to judge. */
export async function discover(discovery: Discovery): Promise<oauth.ServerMetadata> {
  if (discovery.metadataUrl !== undefined) return fetchMetadata(discovery, 'oidc');
  try {
    return await fetchMetadata(discovery, 'oidc');
  } catch (error) {
    if (toAuthorizationServerError(error).reason !== 'http_404') throw error;
    return fetchMetadata(discovery, 'oauth2');
  }
}

async function fetchMetadata({ issuer, metadataUrl, calls }: Discovery, algorithm: 'oidc' | 'oauth2'): Promise<oauth.ServerMetadata> {
  const found = await oauth.discovery(new URL(issuer), 'token-broker', undefined, undefined, {
    algorithm,
    // The scheme of every URL is checked by those who use one, and by the config's rules.
    execute: [oauth.allowInsecureRequests],
    // openid-client would append a well-known path to a URL that holds none.
    [oauth.customFetch]: async (url) => {
      const body = await readDocument(calls, metadataUrl ?? url);
      checkIssuer(body, issuer);
      return new Response(new Uint8Array(body), { status: 200, headers: { 'content-type': 'application/json' } });
    },
  });
  return found.serverMetadata();
}

/** By ourselves: openid-client checks none where the URL of the document is given, and does not say which one it found. */
function checkIssuer(body: Buffer, issuer: string): void {
  const found = issuerIn(body);
  if (found === issuer || found === undefined) return;
  const said = onOneLine(`the issuer there is "${found}"`);
  throw new AuthorizationServerError('transient', 'issuer_mismatch', { said });
}

/** `undefined` where there is none, which openid-client refuses. */
function issuerIn(body: Buffer): string | undefined {
  try {
    const document: unknown = JSON.parse(new TextDecoder().decode(body));
    const issuer = typeof document === 'object' && document !== null && 'issuer' in document ? document.issuer : undefined;
    return typeof issuer === 'string' ? issuer : undefined;
  } catch {
    return undefined;
  }
}

/** What stands at a URL, whole. Rejects with a transient failure for anything but 200. */
export async function readDocument(calls: AuthorizationServerCalls, url: string, headers: Record<string, string> = {}): Promise<Buffer> {
  const answer = await calls.call({ url, method: 'GET', headers: { accept: 'application/json', ...headers }, body: undefined });
  if (answer.status !== 200) throw new AuthorizationServerError('transient', `http_${answer.status}`);
  if (answer.tooLarge) throw new AuthorizationServerError('transient', 'answer_too_large');
  return answer.body;
}

/** Where a document stands, and what else may be reached in the clear. */
export interface DocumentPlace {
  /** Of the document, or of what it is found by. */
  readonly url: string;
  readonly unsafeHttp?: boolean | undefined;
}

/**
 * Whether a document may name this URL: nothing is sent in the clear to another machine, unless that was allowed, nor to this one by a
 * document that came by TLS. Its neighbours here are none of its affair.
 */
export function isAcceptableUrl(url: unknown, { url: from, unsafeHttp = false }: DocumentPlace): url is string {
  if (typeof url !== 'string' || !URL.canParse(url)) return false;
  const { protocol, hostname } = new URL(url);
  const isLocal = isLoopbackHost(hostname) && new URL(from).protocol === 'http:';
  return protocol === 'https:' || (protocol === 'http:' && (isLocal || unsafeHttp));
}
