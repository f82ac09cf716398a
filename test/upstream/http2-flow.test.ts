/** One request to an upstream of HTTP/2, without a connection. */

import { expect, test } from '@jest/globals';
import type { Body } from '../../src/message.ts';
import type { UpstreamAnswer } from '../../src/upstream/connections.ts';
import { Http2Flow } from '../../src/upstream/http2/flow.ts';

test('a connection that is lost as the request begins has taken nothing of it: it may go on another one', () => {
  const happened: string[] = [];
  const tell = (what: string) => () => void happened.push(what);
  const body: Body = { length: 3, pipe: tell('piped'), pause: tell('paused'), resume: tell('resumed'), discard: tell('discarded') };
  const answer: UpstreamAnswer = {
    interim: tell('interim'),
    head: tell('head'),
    chunk: tell('chunk'),
    end: tell('end'),
    fail: ({ code }, nothingSent) => void happened.push(`${code}, ${nothingSent ? 'nothing' : 'something'} sent`),
  };
  const timeouts = { connect: 5_000, response: 60_000, idle: 60_000 };
  const owner = {
    timeouts,
    over: tell('over'),
    late: () => {
      throw new Error('it is not late');
    },
  };
  const request = { method: 'POST', target: '/', fields: [], body, upgrade: undefined, fresh: false };
  const resets = { add: tell('reset') };
  const flow = new Http2Flow(request, answer, owner);
  flow.start(owner, 'http', resets as never, () => {
    throw Object.assign(new Error('the session has been destroyed'), { code: 'ERR_HTTP2_INVALID_SESSION' });
  });
  expect(happened).toEqual(['discarded', 'over', 'UPSTREAM_RESET, nothing sent']);
});
