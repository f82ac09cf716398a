/** What whoever tried something at the command line is told of its failure. */

import { expect, test } from '@jest/globals';
import { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { describeFailure } from '../../src/cli/describe-failure.ts';
import { BrokerError, type ErrorCode } from '../../src/errors.ts';
import { toUpstreamError } from '../../src/upstream/failure.ts';

const refused = (code: ErrorCode, cause: unknown) => new BrokerError(code, 'what callers are told', { stage: 'token', cause });

test.each([
  [
    'permanent',
    'invalid_client',
    'TOKEN_REJECTED',
    'the client is refused; check "clientId", the secret, and "clientAuthentication.method"',
  ],
  [
    'permanent',
    'unauthorized_client',
    'TOKEN_REJECTED',
    'the client is refused, or may not use this grant; check "clientId" and the secret, or allow the grant at the server',
  ],
  [
    'permanent',
    'unsupported_grant_type',
    'TOKEN_REJECTED',
    'the server does not know this grant; allow it there, or choose another "grant"',
  ],
  [
    'transient',
    'discovery_econnreset',
    'TOKEN_UNAVAILABLE',
    'the connection was cut; is it "http" where https is spoken, or does a firewall or a missing proxy stand in the way?',
  ],
  [
    'transient',
    'discovery_proxy_credentials',
    'TOKEN_UNAVAILABLE',
    'the proxy wants other credentials; correct "proxy.username" and "proxy.password"',
  ],
  ['transient', 'proxy_unreachable', 'TOKEN_UNAVAILABLE', 'the proxy cannot be reached; correct "proxy.url", or start it'],
  [
    'transient',
    'proxy_refused',
    'CALLER_UNVERIFIABLE',
    'the proxy does not connect to that host; have it allowed there, or correct host and port',
  ],
  ['permanent', 'some_error', 'TOKEN_REJECTED', 'the authorization server refuses'],
  ['nonsense', 'http_404', 'TOKEN_INVALID', 'there is no token endpoint; correct "tokenEndpoint"'],
  ['transient', 'http_404', 'CALLER_UNVERIFIABLE', 'there are no keys; correct "issuer" or "jwksUri", or give "keys"'],
  [
    'transient',
    'discovery_http_404',
    'TOKEN_UNAVAILABLE',
    'there is no metadata; correct "issuer", or give "metadataUrl" or "tokenEndpoint"',
  ],
  ['transient', 'discovery_econnrefused', 'CALLER_UNVERIFIABLE', 'nothing listens there; correct host and port, or start it'],
  [
    'transient',
    'self_signed_cert_in_chain',
    'TOKEN_UNAVAILABLE',
    'its certificate is signed by nobody who is trusted; name the CA in "tls.ca", or set NODE_USE_SYSTEM_CA=1 where this machine trusts it',
  ],
  ['transient', 'http_503', 'TOKEN_UNAVAILABLE', 'the authorization server cannot be reached or is in trouble'],
] as const)('%s %s of %s has its way out', (failureClass, reason, code, words) => {
  const failure = new AuthorizationServerError(failureClass, reason, { said: 'what the server said' });
  expect(describeFailure(refused(code, failure))).toBe(`${code}: ${words} (${reason}, what the server said)`);
});

test('a failure of the server that no request was refused for has no code', () => {
  const failure = new AuthorizationServerError('transient', 'discovery_issuer_mismatch');
  expect(describeFailure(failure)).toBe(
    'the metadata is that of another issuer; write "issuer" as the server writes it, to the last "/" (discovery_issuer_mismatch)',
  );
});

test("the server's own code is told once", () => {
  const failure = new AuthorizationServerError('permanent', 'invalid_scope', { said: 'invalid_scope: no such scope' });
  expect(describeFailure(refused('TOKEN_REJECTED', failure))).toBe(
    'TOKEN_REJECTED: the scope is refused; check "scope" (invalid_scope: no such scope)',
  );
});

test.each([
  ['ECONNREFUSED', 'UPSTREAM_UNREACHABLE: the upstream refuses connections; correct host and port of "upstream", or start it'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', /cannot be verified; name its CA in "upstreamTls.ca"/],
  ['ERR_SSL_WRONG_VERSION_NUMBER', /TLS with the upstream failed; is the port of "upstream" that of https\?/],
  ['ECONNRESET', /^UPSTREAM_RESET: .*; is it "http" where https is spoken/],
  ['PROXY_CREDENTIALS', /"proxy"; correct "proxy.username" and "proxy.password"$/],
])('an upstream that fails with %s has its way out', (code, words) => {
  const failure = toUpstreamError(Object.assign(new Error('library text'), { code }));
  expect(describeFailure(failure)).toMatch(words);
});

test('what has nothing to do with an authorization server keeps its own words', () => {
  const cause = Object.assign(new Error('library text'), { reason: 'wrong version number' });
  expect(describeFailure(refused('BROKER_OVERLOADED', cause))).toBe('BROKER_OVERLOADED: what callers are told (wrong version number)');
  expect(describeFailure(refused('BROKER_OVERLOADED', undefined))).toBe('BROKER_OVERLOADED: what callers are told');
});
