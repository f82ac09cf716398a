/** What went wrong with something that a command has tried, and the way out, for whoever typed it. */

import { AuthorizationServerError, type FailureClass } from '../authorization-server/failure.ts';
import { toBrokerError } from '../errors.ts';
import { reasonOf } from '../token/store/commands.ts';

/** What was tried, as a reason may mean another thing for each. */
type Tried = 'metadata' | 'token' | 'keys' | 'store';

interface Words {
  readonly reason: RegExp;
  /** Default: all of them. */
  readonly of?: Tried;
  readonly words: string;
}

/** The first that fits; reasons are those of docs/tokens.md. */
const WORDS: readonly Words[] = [
  { reason: /^econnrefused$/, words: 'nothing listens there; correct host and port, or start it' },
  { reason: /^(?:enotfound|eai_again)$/, words: 'the name of the host cannot be resolved; correct it, or mend the DNS' },
  { reason: /^proxy_unreachable$/, words: 'the proxy cannot be reached; correct "proxy.url", or start it' },
  { reason: /^proxy_credentials$/, words: 'the proxy wants other credentials; correct "proxy.username" and "proxy.password"' },
  { reason: /^proxy_refused$/, words: 'the proxy does not connect to that host; have it allowed there, or correct host and port' },
  {
    reason: /^(?:econnreset|epipe)$/,
    words: 'the connection was cut; is it "http" where https is spoken, or does a firewall or a missing proxy stand in the way?',
  },
  { reason: /timeout|^etimedout$/, words: 'no answer came in time; is the host right, and is a firewall or a proxy on the way?' },
  { reason: /^eproto$|^err_ssl_/, words: 'no TLS can be spoken there; is the port that of https?' },
  {
    reason: /^(?:depth_zero_self_signed_cert|self_signed_cert_in_chain|unable_to_)/,
    words:
      'its certificate is signed by nobody who is trusted; name the CA in "tls.ca", or set NODE_USE_SYSTEM_CA=1 where this machine trusts it',
  },
  { reason: /^err_tls_cert_altname_invalid$/, words: 'its certificate is for another name; correct the host' },
  { reason: /^cert_has_expired$/, words: 'its certificate has ended; have it renewed' },
  { of: 'metadata', reason: /^http_404$/, words: 'there is no metadata; correct "issuer", or give "metadataUrl" or "tokenEndpoint"' },
  {
    of: 'metadata',
    reason: /^issuer_mismatch$/,
    words: 'the metadata is that of another issuer; write "issuer" as the server writes it, to the last "/"',
  },
  {
    of: 'metadata',
    reason: /^(?:oauth_invalid_response|oauth_parse_error|oauth_response_is_not_json|answer_unreadable)$/,
    words: 'what is there is no metadata; correct "issuer", or give "metadataUrl" or "tokenEndpoint"',
  },
  { of: 'keys', reason: /^http_40[34]$/, words: 'there are no keys; correct "issuer" or "jwksUri", or give "keys"' },
  {
    of: 'store',
    reason: /^(?:wrongpass|noauth)$/,
    words: 'Redis wants other credentials; correct "username" and "password", or those in "url"',
  },
  { of: 'store', reason: /^noperm$/, words: 'the user lacks a right; give it those that docs/operations.md names' },
  { of: 'store', reason: /^readonly$/, words: 'it takes no writes; name its master' },
  { of: 'token', reason: /^http_40[45]$/, words: 'there is no token endpoint; correct "tokenEndpoint"' },
  {
    of: 'token',
    reason: /^invalid_client$/,
    words: 'the client is refused; check "clientId", the secret, and "clientAuthentication.method"',
  },
  {
    of: 'token',
    // Keycloak says so of a wrong secret, too.
    reason: /^unauthorized_client$/,
    words: 'the client is refused, or may not use this grant; check "clientId" and the secret, or allow the grant at the server',
  },
  {
    of: 'token',
    reason: /^unsupported_grant_type$/,
    words: 'the server does not know this grant; allow it there, or choose another "grant"',
  },
  { of: 'token', reason: /^invalid_scope$/, words: 'the scope is refused; check "scope"' },
  { of: 'token', reason: /^invalid_target$/, words: 'the audience is refused; check "audience" and "resource"' },
  {
    of: 'token',
    reason: /^invalid_grant$/,
    words: 'what the grant goes by is refused; check the user name and password, or the assertion',
  },
  { of: 'token', reason: /^token_type_unexpected$/, words: 'the type of the token is another; name it in "tokenTypes" of the server' },
];

/** By the kind that `Proxy-Status` names. */
const UPSTREAM_WAYS_OUT: Readonly<Record<string, string>> = {
  connection_refused: 'correct host and port of "upstream", or start it',
  destination_ip_unroutable: 'correct the host of "upstream", or mend the network; where only a proxy leads out, name it in "proxy"',
  dns_error: 'correct the host of "upstream", or mend the DNS; where only a proxy leads out, name it in "proxy"',
  tls_certificate_error:
    'name its CA in "upstreamTls.ca" (or set NODE_USE_SYSTEM_CA=1), or its name in "upstreamTls.serverName"; if it has ended, have it renewed',
  tls_alert_received: 'it may want a client certificate: give "upstreamTls.cert" and "upstreamTls.key"',
  tls_protocol_error: 'is the port of "upstream" that of https?',
  connection_terminated: 'is it "http" where https is spoken, or does a firewall stand in the way?',
  connection_timeout: 'is the host of "upstream" right, and does a firewall or a missing "proxy" stand in the way?',
  destination_unavailable: 'correct "proxy.url", or have the host allowed there',
  proxy_configuration_error: 'correct "proxy.username" and "proxy.password"',
};

const BY_CLASS: Readonly<Record<FailureClass, string>> = {
  transient: 'the authorization server cannot be reached or is in trouble',
  permanent: 'the authorization server refuses',
  nonsense: 'the authorization server gave an answer that cannot be used',
};

/** Code, what is wrong, and what the other party said; without a secret. */
export function describeFailure(cause: unknown): string {
  if (cause instanceof AuthorizationServerError) return withDetails(wordsOf(cause, 'token'), cause);
  const { code, message, cause: failure, proxyError } = toBrokerError(cause);
  const isOfServer = failure instanceof AuthorizationServerError;
  const words = isOfServer
    ? wordsOf(failure, code === 'CALLER_UNVERIFIABLE' ? 'keys' : 'token')
    : withWayOut(message, code.startsWith('UPSTREAM_') ? UPSTREAM_WAYS_OUT[proxyError] : undefined);
  return withDetails(`${code}: ${words}`, failure ?? {});
}

/** The same of a store. */
export function describeStoreFailure(cause: unknown): string {
  const reason = reasonOf(cause);
  const words = WORDS.find(({ reason: pattern, of = 'store' }) => of === 'store' && pattern.test(reason))?.words;
  return withDetails(words ?? 'Redis does not do what is asked of it', { reason });
}

function withWayOut(message: string, wayOut: string | undefined): string {
  return wayOut === undefined ? message : `${message}; ${wayOut}`;
}

function withDetails(words: string, { reason, said }: { readonly reason?: string; readonly said?: string | undefined }): string {
  // Mostly the server's own code comes first in what it said.
  const parts = reason !== undefined && said?.startsWith(reason) ? [said] : [reason, said];
  const details = parts.filter((text) => text !== undefined).join(', ');
  return details === '' ? words : `${words} (${details})`;
}

function wordsOf({ reason, failureClass }: AuthorizationServerError, tried: Tried): string {
  return wordsOfReason(reason, tried) ?? BY_CLASS[failureClass];
}

/** What a reason of the log means, and the way out, where more is known of it than its class. */
export function wordsOfReason(reason: string, tried: Tried): string | undefined {
  const [, prefix, rest = ''] = /^(discovery_|initiation_|registration_)?(.*)$/.exec(reason) ?? [];
  const about = prefix === 'discovery_' ? 'metadata' : tried;
  return WORDS.find(({ reason: pattern, of = about }) => of === about && pattern.test(rest))?.words;
}
