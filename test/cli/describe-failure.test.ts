/** What whoever tried something at the command line is told of its failure. */

import { expect, test } from '@jest/globals';
import { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { describeFailure } from '../../src/cli/describe-failure.ts';
import { BrokerError, type ErrorCode } from '../../src/errors.ts';

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
    'the client may not use this grant; allow it at the server, or choose another "grant"',
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
    'its certificate is signed by nobody who is trusted; name the CA in "tls.ca"',
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

test('what has nothing to do with an authorization server keeps its own words', () => {
  const cause = Object.assign(new Error('library text'), { reason: 'wrong version number' });
  expect(describeFailure(refused('UPSTREAM_UNREACHABLE', cause))).toBe(
    'UPSTREAM_UNREACHABLE: what callers are told (wrong version number)',
  );
  expect(describeFailure(refused('UPSTREAM_UNREACHABLE', undefined))).toBe('UPSTREAM_UNREACHABLE: what callers are told');
});
