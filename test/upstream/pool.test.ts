/** The connections to an upstream that are kept, and the line in front of them. */

import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { route as routeSchema } from '../../src/config/schema/routes.ts';
import type { BrokerError } from '../../src/errors.ts';
import type { Body } from '../../src/message.ts';
import type { UpstreamFlow } from '../../src/upstream/connections.ts';
import { Http1Pool } from '../../src/upstream/http1/pool.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, type ScriptedServerOptions, startScriptedServer } from '../helpers/scripted-server.ts';

let origin: ScriptedServer;
let pool: Http1Pool;
afterEach(async () => {
  await pool.close();
  await origin.close();
});

async function start(options: ScriptedServerOptions, config: Record<string, unknown> = {}): Promise<void> {
  origin = await startScriptedServer(options);
  pool = new Http1Pool(origin.url, routeSchema.parse({ path: '/', token: null, upstream: origin.url, ...config }));
}

interface Sent {
  readonly flow: UpstreamFlow;
  /** The body, or the code of the failure. */
  readonly answer: Promise<string>;
}

function send(target: string, fresh = false, body?: Body): Sent {
  let flow: UpstreamFlow | undefined;
  const answer = new Promise<string>((resolve) => {
    let text = '';
    flow = pool.send(
      { method: body === undefined ? 'GET' : 'POST', target, fields: [['host', 'a']], body, upgrade: undefined, fresh },
      {
        interim() {},
        head() {},
        chunk(bytes) {
          text += Buffer.from(bytes).toString('latin1');
        },
        end: () => resolve(text),
        fail: (error: BrokerError) => resolve(error.code),
      },
    );
  });
  return { flow: flow as unknown as UpstreamFlow, answer };
}

const connectionsOf = () => origin.requests.map(({ target, connectionId }) => [target, connectionId]);

describe('a pool', () => {
  test('U05 a request that must not ride on a used connection does not, even when it has waited in line for one', async () => {
    await start({ answer: ({ target }) => answerWith(200, [], target) }, { pool: { maxConnections: 1 } });
    const sent = [send('/first'), send('/again', true)];
    expect(await Promise.all(sent.map(({ answer }) => answer))).toEqual(['/first', '/again']);
    expect(connectionsOf()).toEqual([
      ['/first', 1],
      ['/again', 2],
    ]);
  });

  test('U05 such a request takes the place of an idle connection when there is room for no more', async () => {
    await start({ answer: ({ target }) => answerWith(200, [], target) }, { pool: { maxConnections: 1 } });
    await send('/first').answer;
    expect(await send('/again', true).answer).toBe('/again');
    expect(connectionsOf()).toEqual([
      ['/first', 1],
      ['/again', 2],
    ]);
  });

  test('the connection used last is used next, and all answers find who asked', async () => {
    await start({ answer: ({ target }) => answerWith(200, [], target) }, { pool: { maxConnections: 4 } });
    const targets = Array.from({ length: 100 }, (_, index) => `/${index}`);
    expect(await Promise.all(targets.map((target) => send(target).answer))).toEqual(targets);
    expect(origin.connections.length).toBeLessThanOrEqual(4);
    expect(origin.requests.some(({ pipelined }) => pipelined)).toBe(false);
  });

  test('S02 a connection that still sends a body when the answer to it is over carries no other: whoever lent the bytes has them back', async () => {
    const answer = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
    const connections: Socket[] = [];
    const hasty = createServer((socket) => {
      connections.push(socket);
      socket.on('error', () => {}).once('data', () => socket.pause().write(answer));
    }).listen(0, '127.0.0.1');
    await once(hasty, 'listening');
    await start({ answer: () => undefined });
    await pool.close();
    const upstream = `http://127.0.0.1:${(hasty.address() as AddressInfo).port}`;
    pool = new Http1Pool(upstream, routeSchema.parse({ path: '/', token: null, upstream }));
    const bytes = Buffer.alloc(32 * 1024 ** 2);
    const body: Body = {
      length: bytes.length,
      pipe(sink) {
        sink.chunk(bytes);
        sink.end([]);
      },
      pause() {},
      resume() {},
      discard() {},
    };
    expect(await send('/', false, body).answer).toBe('');
    expect(await send('/next').answer).toBe('');
    expect(connections).toHaveLength(2);
    hasty.close();
    // They are not read, and would never see that the other side is gone.
    for (const socket of connections) socket.destroy();
  });

  test('S02 the last bytes of an answer that is over stay as they are while somebody is still busy with them', async () => {
    const size = 300_000;
    await start({ answer: ({ target }) => answerWith(200, [], Buffer.alloc(size, target.slice(1))) });
    const lent = await new Promise<Uint8Array>((resolve, reject) => {
      let bytes = 0;
      let last: Uint8Array = Buffer.alloc(0);
      const flow = pool.send(
        { method: 'GET', target: '/a', fields: [['host', 'a']], body: undefined, upgrade: undefined, fresh: false },
        {
          interim() {},
          head() {},
          chunk(chunk) {
            bytes += chunk.length;
            last = chunk;
            if (bytes === size) flow.pause();
          },
          end: () => resolve(last),
          fail: reject,
        },
      );
    });
    expect(await send('/b').answer).toBe('b'.repeat(size));
    expect(Buffer.from(lent).toString('latin1')).toBe('a'.repeat(lent.length));
    expect(origin.connections).toHaveLength(1);
  });

  test('a connection that has reached its age carries no further request', async () => {
    await start({ answer: ({ target }) => answerWith(200, [], target) }, { maxConnectionAge: '1s', timeouts: { connect: '100ms' } });
    while (origin.connections.length < 2) expect(await send('/').answer).toBe('/');
    await origin.connections[0]?.closed;
  });

  test('a request that is given up while it waits in line is never sent, and the others are', async () => {
    await start({ answer: ({ target }) => answerWith(200, [], target) }, { pool: { maxConnections: 1 } });
    const [first, second, third] = [send('/first'), send('/second'), send('/third')];
    second.flow.abort();
    expect(await Promise.all([first.answer, third.answer])).toEqual(['/first', '/third']);
    expect(origin.requests.map(({ target }) => target)).toEqual(['/first', '/third']);
  });

  test('a request that is given up on its connection makes room for the next one in line', async () => {
    await start(
      { answer: ({ target }) => (target === '/stuck' ? undefined : answerWith(200, [], target)) },
      { pool: { maxConnections: 1 } },
    );
    const stuck = send('/stuck');
    const next = send('/next');
    await origin.untilRequests(1);
    stuck.flow.abort();
    expect(await next.answer).toBe('/next');
  });

  test('counts its connections, those that wait for a request and the requests that wait for one', async () => {
    await start(
      { answer: ({ target }) => (target === '/stuck' ? undefined : answerWith(200, [], target)) },
      { pool: { maxConnections: 2 } },
    );
    expect(pool.counts()).toEqual({ open: 0, idle: 0, queued: 0 });
    await send('/quick').answer;
    expect(pool.counts()).toEqual({ open: 1, idle: 1, queued: 0 });
    const sent = ['/stuck', '/stuck', '/next'].map((target) => send(target));
    expect(pool.counts()).toEqual({ open: 2, idle: 0, queued: 1 });
    sent[0]?.flow.abort();
    expect(await sent[2]?.answer).toBe('/next');
    expect(pool.counts()).toMatchObject({ open: 2, queued: 0 });
  });

  test('more than may wait are refused at once, who waits too long is refused too', async () => {
    await start({ answer: () => undefined }, { pool: { maxConnections: 1, maxQueue: 1 }, timeouts: { connect: '300ms' } });
    const [, waiting, refused] = [send('/stuck'), send('/waiting'), send('/refused')];
    expect(await refused.answer).toBe('BROKER_OVERLOADED');
    expect(await waiting.answer).toBe('BROKER_OVERLOADED');
  });

  test("H11 what an upstream says while nobody has asked drops its connection, and is nobody's answer", async () => {
    await start({ answer: ({ target }) => answerWith(200, [], target) });
    await send('/first').answer;
    origin.connections[0]?.write(answerWith(200, [], 'planted'));
    await origin.connections[0]?.closed;
    expect(await send('/second').answer).toBe('/second');
    expect(connectionsOf()).toEqual([
      ['/first', 1],
      ['/second', 2],
    ]);
  });

  test.each([
    ['says Connection: close', 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'],
    ['says so in a list', 'HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 2\r\n\r\nok'],
    ['is of HTTP/1.0', 'HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok'],
    ['is followed by more', 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokmore'],
    ['is followed by a whole answer', `HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok${answerWith(200, [], 'planted')}`],
    ['in chunks is followed by more', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\nHTTP/1.1 '],
  ])('H11 no second request rides on a connection whose answer %s', async (_what, bytes) => {
    await start({ answer: ({ target }) => (target === '/odd' ? bytes : answerWith(200, [], target)) });
    expect(await send('/odd').answer).toBe('ok');
    expect(await send('/next').answer).toBe('/next');
    expect(connectionsOf()).toEqual([
      ['/odd', 1],
      ['/next', 2],
    ]);
    await origin.connections[0]?.closed;
  });

  test('H11 what stands behind an answer is not that of the request that waits in line for its connection', async () => {
    const planted = `${answerWith(200, [], 'ok')}${answerWith(200, [], 'planted')}`;
    await start({ answer: ({ target }) => (target === '/odd' ? planted : answerWith(200, [], target)) }, { pool: { maxConnections: 1 } });
    const [odd, next] = [send('/odd'), send('/next')];
    expect(await Promise.all([odd.answer, next.answer])).toEqual(['ok', '/next']);
    expect(connectionsOf()).toEqual([
      ['/odd', 1],
      ['/next', 2],
    ]);
  });

  test('what fails inside of who takes the answer ends that answer alone', async () => {
    await start({ answer: ({ target }) => answerWith(200, [], target) });
    const failed = await new Promise<string>((resolve) => {
      pool.send(
        { method: 'GET', target: '/x', fields: [['host', 'a']], body: undefined, upgrade: undefined, fresh: false },
        {
          interim() {},
          head() {
            throw new Error('a bug');
          },
          chunk() {},
          end: () => resolve('ended'),
          fail: (error) => resolve(error.code),
        },
      );
    });
    expect(failed).toMatch(/^(?:INTERNAL|UPSTREAM_RESET)$/);
    expect(await send('/next').answer).toBe('/next');
  });
});
