import { expect, test } from '@jest/globals';
import { toUpstreamError } from '../../src/upstream/failure.ts';

test.each(['EMFILE', 'ENFILE', 'ENOBUFS'])('a shortage of ours (%s) is not put down to the upstream, which was sent nothing', (code) => {
  const cause = Object.assign(new AggregateError([Object.assign(new Error(`connect ${code}`), { code })], 'all addresses failed'), {
    code,
  });
  expect(toUpstreamError(cause)).toMatchObject({
    code: 'BROKER_OVERLOADED',
    status: 503,
    proxyError: 'connection_limit_reached',
    retryAfterSeconds: 1,
    message: 'no more connections can be opened here; try again later',
    cause,
  });
});
