/** What a developer reads of a token that is not granted. */

import { PassThrough } from 'node:stream';
import { expect, test } from '@jest/globals';
import { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { readableLog } from '../../src/cli/readable-log.ts';
import { describeError } from '../../src/telemetry/describe-error.ts';

function read(msg: string, err: Error): string {
  const out = new PassThrough({ encoding: 'utf8' });
  const event = { level: 'error', time: '2026-01-02T03:04:05.678Z', token: 'orders', err: describeError(err), msg };
  readableLog(out, false).write(JSON.stringify(event));
  return out.read();
}

test.each([
  ['invalid_client', 'the client is refused; check "clientId", the secret, and "clientAuthentication.method"'],
  ['discovery_econnrefused', 'nothing listens there; correct host and port, or start it'],
])('%s has its way out', (reason, words) => {
  const failure = new AuthorizationServerError('permanent', reason);
  expect(read('token not granted', failure)).toBe(`03:04:05.678 token not granted token=orders (${reason}): ${words}\n`);
});

test('an open breaker has that of what opened it', () => {
  const cause = new AuthorizationServerError('transient', 'econnrefused');
  const failure = new AuthorizationServerError('transient', 'breaker_open', { cause });
  expect(read('token not granted', failure)).toMatch(/ \(breaker_open < econnrefused\): nothing listens there; .*\n$/);
});

test('what is said of something else, or not known, has its codes alone', () => {
  const known = new AuthorizationServerError('transient', 'econnrefused');
  expect(read('token not revoked', known)).toMatch(/ token=orders \(econnrefused\)\n$/);
  expect(read('token not granted', new AuthorizationServerError('transient', 'http_503'))).toMatch(/ \(http_503\)\n$/);
});
