/** When a request is sent a second time, with which token, and when it must not be. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { route as routeSchema } from '../../src/config/schema/routes.ts';
import type { BrokerError } from '../../src/errors.ts';
import { HttpRequest } from '../../src/listener/caller-request.ts';
import type { Body, BodySink, Reply } from '../../src/message.ts';
import { type Forwarded, forward } from '../../src/upstream/forward.ts';
import { Http1Pool } from '../../src/upstream/http1/pool.ts';
import type { SentToken } from '../../src/upstream/unauthorized.ts';
import { answerWith, hang, inTurn, reset } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

let origin: ScriptedServer;
let pool: Http1Pool;
afterEach(async () => {
  await pool.close();
  await origin.close();
});

async function start(answer: Script): Promise<void> {
  origin = await startScriptedServer({ answer });
  pool = new Http1Pool(origin.url, routeSchema.parse({ path: '/', token: null, upstream: origin.url }));
}

interface Sent {
  readonly request: HttpRequest;
  /** What the forwarder did with the token, in order. */
  readonly done: string[];
  /** The status that the caller was told and how it ended, or the code of the failure. */
  readonly outcome: Promise<unknown>;
}

interface Sending {
  readonly method?: string;
  readonly body?: Body;
  readonly replayBuffer?: number;
  readonly token?: Partial<SentToken>;
}

function send({ method = 'GET', body, replayBuffer = 100, token }: Sending = {}): Sent {
  const peer = { address: '127.0.0.1', encrypted: false, certificate: undefined };
  const facts = { id: 'id', listener: 'local', version: '1.1', target: '/', host: 'a', authority: undefined } as const;
  const request = new HttpRequest({ ...facts, method, fields: [], body, upgrade: undefined, peer });
  const done: string[] = [];
  const statuses: number[] = [];
  const sink = { full: false, chunk() {}, end: () => void done.push('ended'), fail: () => void done.push('failed') };
  const reply: Reply = {
    get started() {
      return statuses.length > 0;
    },
    interim() {},
    start(status) {
      statuses.push(status);
      return sink;
    },
  };
  let name = 'first';
  const sent: SentToken | undefined = token && {
    schemes: ['bearer'],
    mayBeSent: () => true,
    renewable: true,
    async renew() {
      done.push('renewed');
      name = 'second';
      return true;
    },
    refusedAgain: () => void done.push('refused again'),
    takeNonce: undefined,
    ...token,
  };
  const told = ({ status, cut }: Forwarded) => [...statuses, status, cut];
  const outcome = forward(request, reply, {
    connections: pool,
    target: '/',
    fields: () => [['host', 'a', 'authorization', name]],
    body,
    upgrade: undefined,
    answerPassing: (fields) => fields,
    token: sent,
    replayBuffer,
  }).then(told, (error: BrokerError) => error.code);
  return { request, done, outcome };
}

/** With a length of its own, or in chunks; it is there once. */
function bodyOf(text: string, isChunked = false): Body {
  let isThere = true;
  return {
    length: isChunked ? undefined : text.length,
    pipe(sink: BodySink) {
      if (!isThere) return;
      isThere = false;
      sink.chunk(Buffer.from(text));
      sink.end([]);
    },
    pause() {},
    resume() {},
    discard() {},
  };
}

const OK = answerWith(200, [], '');
const REFUSED = answerWith(401, [], '');
const NONCE = answerWith(401, ['WWW-Authenticate: DPoP error="use_dpop_nonce"', 'DPoP-Nonce: n'], '');

const received = () => origin.requests.map((asked) => [asked.field('authorization')[0], asked.body.toString()]);

describe('a connection that turns out stale', () => {
  test('U05 a request without a body that changes nothing is sent once more, on a fresh one', async () => {
    await start(inTurn(reset, OK));
    expect(await send({ token: {} }).outcome).toEqual([200, 200, undefined]);
    expect(origin.requests.map(({ connectionId }) => connectionId)).toEqual([1, 2]);
  });

  test('U05 what is sent once more waits for no other that is kept', async () => {
    await start((asked, connection) => (asked.count === 3 ? reset(asked, connection) : OK));
    await Promise.all([send().outcome, send().outcome]);
    expect(await send().outcome).toEqual([200, 200, undefined]);
    expect(origin.requests.at(-1)?.connectionId).toBe(3);
  });

  test('U05 an answer that is none is not asked for again', async () => {
    await start(() => 'HTTP/1.1 999 No\r\n\r\n');
    expect(await send().outcome).toBe('UPSTREAM_INVALID_RESPONSE');
    expect(origin.requests).toHaveLength(1);
  });

  test('U05 it is not sent a third time', async () => {
    await start(reset);
    expect(await send({ token: {} }).outcome).toBe('UPSTREAM_RESET');
    expect(origin.requests).toHaveLength(2);
  });

  test.each([
    ['that has a body', { body: bodyOf('abc') }],
    ['that may have changed something', { method: 'POST' }],
    ['whose token has come to its end', { token: { mayBeSent: () => false } }],
  ])('U05 one %s is not sent again', async (_what, sending) => {
    await start(inTurn(reset, OK));
    expect(await send(sending).outcome).toBe('UPSTREAM_RESET');
    expect(origin.requests).toHaveLength(1);
  });

  test('U05 one whose caller has left is not sent again', async () => {
    await start(hang);
    const { request, outcome } = send();
    await origin.untilRequests(1);
    request.abandon();
    expect(await outcome).toEqual([0, 'caller']);
    expect(origin.requests).toHaveLength(1);
  });

  test('U05 one that breaks off behind its head is cut, not sent again', async () => {
    await start((_asked, connection) => {
      connection.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab');
      return undefined;
    });
    const { done, outcome } = send();
    expect([await outcome, done]).toEqual([[200, 200, 'upstream'], ['failed']]);
    expect(origin.requests).toHaveLength(1);
  });
});

describe('a refused token', () => {
  test.each([false, true])('U07 is renewed, and the body sent again with the next one (in chunks: %s)', async (isChunked) => {
    await start(inTurn(REFUSED, OK));
    const { done, outcome } = send({ method: 'POST', body: bodyOf('abc', isChunked), token: {} });
    expect([await outcome, done]).toEqual([
      [200, 200, undefined],
      ['renewed', 'ended'],
    ]);
    expect(received()).toEqual([
      ['first', 'abc'],
      ['second', 'abc'],
    ]);
    const length = isChunked ? [] : ['3'];
    expect(origin.requests.map((asked) => asked.field('content-length'))).toEqual([length, length]);
  });

  test('U07 that is refused anew is told of once, and the answer passed on', async () => {
    await start(() => REFUSED);
    const { done, outcome } = send({ token: {} });
    expect([await outcome, done]).toEqual([
      [401, 401, undefined],
      ['renewed', 'ended', 'refused again'],
    ]);
    expect(received()).toHaveLength(2);
  });

  test.each([
    ['is larger than the buffer', 'abcd', 3, ['renewed', 'ended'], 401],
    ['just fits', 'abc', 3, ['renewed', 'ended'], 200],
  ])('U07 of a request whose body %s', async (_what, text, replayBuffer, expected, status) => {
    await start(inTurn(REFUSED, OK));
    const { done, outcome } = send({ method: 'POST', body: bodyOf(text), replayBuffer, token: {} });
    expect([await outcome, done]).toEqual([[status, status, undefined], expected]);
    expect(received()).toHaveLength(status === 200 ? 2 : 1);
  });

  test('U07 of a body that has not ended leads to no second sending of half of it', async () => {
    origin = await startScriptedServer({ answer: hang, onHead: () => 'HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n' });
    pool = new Http1Pool(origin.url, routeSchema.parse({ path: '/', token: null, upstream: origin.url }));
    const half: Body = { ...bodyOf('abc', true), pipe: (sink) => sink.chunk(Buffer.from('abc')) };
    const { done, outcome } = send({ method: 'POST', body: half, token: {} });
    expect([await outcome, done]).toEqual([
      [401, 401, undefined],
      ['renewed', 'ended'],
    ]);
    expect(origin.connections).toHaveLength(1);
  });

  test.each([
    ['may not be renewed', { renewable: false }, ['ended']],
    ['cannot be', { renew: async () => false }, ['ended']],
  ])('U07 that %s is passed on', async (_what, token, expected) => {
    await start(inTurn(REFUSED, OK));
    const { done, outcome } = send({ token });
    expect([await outcome, done]).toEqual([[401, 401, undefined], expected]);
  });

  test('U07 whose caller has left meanwhile is not followed by another request', async () => {
    await start(inTurn(REFUSED, OK));
    const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
    const { promise: renewal, resolve: renew } = Promise.withResolvers<boolean>();
    const { request, outcome } = send({
      token: {
        renew() {
          ask();
          return renewal;
        },
      },
    });
    await asked;
    request.abandon();
    renew(true);
    expect(await outcome).toEqual([401, 'caller']);
    expect(await send().outcome).toEqual([200, 200, undefined]);
    expect(received()).toHaveLength(2);
  });
});

describe('a nonce for proofs', () => {
  const nonces: string[] = [];
  const takeNonce = (nonce: string) => void nonces.push(nonce);
  afterEach(() => void nonces.splice(0));

  test('T17 is taken from every answer, and one that was asked for is sent, once', async () => {
    await start(inTurn(NONCE, NONCE, answerWith(200, ['DPoP-Nonce: last'], '')));
    const { done, outcome } = send({ token: { takeNonce, schemes: ['dpop'] } });
    expect([await outcome, done]).toEqual([[401, 401, undefined], ['ended']]);
    expect(received()).toHaveLength(2);
    expect(await send({ token: { takeNonce } }).outcome).toEqual([200, 200, undefined]);
    expect(nonces).toEqual(['n', 'n', 'last']);
  });

  test('T17 is not sent with half of a body', async () => {
    await start(inTurn(NONCE, OK));
    const { outcome } = send({ method: 'POST', body: bodyOf('abcd'), replayBuffer: 3, token: { takeNonce, schemes: ['dpop'] } });
    expect([await outcome, origin.requests.length]).toEqual([[401, 401, undefined], 1]);
  });

  test.each([
    ['a token that has come to its end', NONCE, { mayBeSent: () => false }],
    ['a token that has no proof', NONCE, { takeNonce: undefined, schemes: ['bearer'] }],
    ['a challenge without a nonce', NONCE.replace('DPoP-Nonce: n\r\n', ''), {}],
    ['a challenge of another scheme', NONCE.replace('DPoP error', 'Other error'), {}],
    ['a challenge for another reason', NONCE.replace('use_dpop_nonce', 'insufficient_scope'), {}],
  ])('T17 is not sent for %s', async (_what, refusal, token) => {
    await start(inTurn(refusal, OK));
    const { done, outcome } = send({ token: { takeNonce, schemes: ['dpop'], ...token } });
    expect([await outcome, done]).toEqual([[401, 401, undefined], ['ended']]);
  });
});
