/** What nobody foresaw, thrown at each place where the event loop calls us: it costs one request or one connection, never the process. */

import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { guarded } from '../../src/clock.ts';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import { Http2Caller } from '../helpers/http2-client.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';
import { answerWith, cutShort } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

/** Each method that may throw: its next call does when it has been armed. */
const POINTS: Record<string, [file: string, className: string, method: string]> = {
  accept: ['listener/http-listener.ts', 'HttpListener', 'peerOf'],
  listener: ['listener/http-listener.ts', 'HttpListener', 'handle'],
  route: ['stages/stages.ts', 'BrokerStages', 'route'],
  token: ['stages/stages.ts', 'BrokerStages', 'token'],
  head: ['listener/http1/caller-reply.ts', 'CallerReply', 'start'],
  chunk: ['listener/http1/caller-reply.ts', 'CallerReply', 'chunk'],
  end: ['listener/http1/caller-reply.ts', 'CallerReply', 'end'],
  cut: ['listener/http1/caller-reply.ts', 'CallerReply', 'fail'],
  room: ['listener/http1/caller-reply.ts', 'CallerReply', 'onRoom'],
  body: ['listener/http1/caller-body.ts', 'CallerBody', 'take'],
  timer: ['listener/http1/caller-connection.ts', 'CallerConnection', 'failBody'],
  abandon: ['listener/caller-request.ts', 'HttpRequest', 'abandon'],
  send: ['upstream/http1/request-sender.ts', 'RequestSender', 'onRoom'],
  read: ['upstream/http1/answer-reader.ts', 'AnswerReader', 'read'],
  stream: ['listener/http2/caller-stream.ts', 'CallerStream', 'begin'],
  reply: ['listener/http2/stream-reply.ts', 'StreamReply', 'chunk'],
};

const FAULT = `
import { createServer } from 'node:http';
const armed = new Set();
for (const [name, [url, className, method]] of ${JSON.stringify(
  Object.entries(POINTS).map(([name, [file, className, method]]) => [
    name,
    [new URL(`../../src/${file}`, import.meta.url).href, className, method],
  ]),
)}) {
  const { prototype } = (await import(url))[className];
  const original = prototype[method];
  prototype[method] = function (...given) {
    if (armed.delete(name)) throw new TypeError('a mistake in ' + name);
    return original.apply(this, given);
  };
}
createServer((asked, answer) => {
  armed.add(asked.url.slice(1));
  answer.end();
})
  .listen(0, '127.0.0.1', function () {
    console.log(JSON.stringify({ msg: 'arming', port: this.address().port }));
  })
  .unref();
`;

/** More than the kernel takes at once. */
const LARGE = Buffer.alloc(16 * 1024 ** 2, 'x');

let origin: ScriptedServer;
let broker: BrokerProcess;
beforeAll(async () => {
  origin = await startScriptedServer({
    answer: (asked, connection) => {
      if (asked.target === '/cut') return cutShort('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\npart')(asked, connection);
      return asked.target === '/large' ? answerWith(200, [], LARGE) : answerWith(200, ['Content-Type: text/plain'], 'whole');
    },
  });
  broker = await startBrokerProcess({
    files: { 'fault.mjs': FAULT },
    nodeArgs: ['--import', './fault.mjs'],
    config: {
      listeners: {
        local: { address: '127.0.0.1:0', authenticate: ['anonymous'], limits: { idleTimeout: '300ms' } },
        h2: { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['h2c'] },
      },
      routes: { all: { path: '/', callers: ['anonymous'], token: null, upstream: origin.url } },
    },
  });
}, 60_000);

/** However it ended, the process is there and serves. */
afterEach(async () => {
  const { status } = await fetch(`${broker.url('admin')}/livez`);
  if (status !== 200 || (await request(`${broker.url()}/ok`)).text() !== 'whole') throw new Error('the broker does not serve any more');
});
afterAll(async () => {
  await broker?.close();
  await origin?.close();
});

async function arm(name: string): Promise<void> {
  const { port } = await broker.logged('arming');
  await fetch(`http://127.0.0.1:${String(port)}/${name}`);
}

/** Faults for which nothing was answered, and requests that were answered or ended by one. */
async function counted(): Promise<{ faults: number; internal: number }> {
  const text = await (await fetch(`${broker.url('admin')}/metrics`)).text();
  const sum = (pattern: RegExp) => [...text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
  return {
    faults: sum(/^token_broker_faults_total (\d+)$/gm),
    internal: sum(/^token_broker_requests_total\{.*code="INTERNAL".*\} (\d+)$/gm),
  };
}

/** What an action adds to them. */
async function added(action: () => Promise<unknown>): Promise<{ faults: number; internal: number }> {
  const before = await counted();
  await action();
  for (;;) {
    const after = await counted();
    const more = { faults: after.faults - before.faults, internal: after.internal - before.internal };
    // A request is counted when it is over, which may be after its caller has seen its end.
    if (more.faults + more.internal > 0) return more;
  }
}

const internal = ({ status, json }: Answer) => ({ status, code: (json() as { code: string }).code });

describe('a mistake of ours', () => {
  test.each(['route', 'token', 'head', 'read'])('L09 in a handler (%s) is 500 for its request, and counted', async (name) => {
    await arm(name);
    let answer: Answer | undefined;
    expect(
      await added(async () => {
        answer = await request(`${broker.url()}/ok`);
      }),
    ).toEqual({ faults: 0, internal: 1 });
    expect(internal(answer as Answer)).toEqual({ status: 500, code: 'INTERNAL' });
    expect((answer as Answer).text()).not.toContain('mistake');
  });

  test.each([
    ['chunk', 'in the middle', 'cut short'],
    ['end', 'at the end', 'whole'],
  ])('L09 (%s) %s of an answer leaves it %s, and is counted', async (name, _where, state) => {
    await arm(name);
    expect(
      await added(async () => {
        const complete = await request(`${broker.url()}/ok`).then(
          (answer) => answer.complete,
          () => false,
        );
        expect(complete ? 'whole' : 'cut short').toBe(state);
      }),
    ).toEqual({ faults: 0, internal: 1 });
  });

  test.each([
    ['accept', 'GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['listener', 'GET /ok HTTP/1.1\r\nHost: localhost\r\n\r\n'],
    ['body', 'POST /ok HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\nbody'],
    ['timer', 'POST /ok HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nbody'],
  ])('L09 in a listener, a stream or a timer (%s) closes its connection, and is counted', async (name, bytes) => {
    await arm(name);
    expect((await added(() => sendRaw(broker.address(), bytes).catch(() => undefined))).faults).toBe(1);
  });

  test('L09 the status shows how many were counted', async () => {
    const { faults } = await counted();
    expect(faults).toBeGreaterThan(0);
    expect(await (await fetch(`${broker.url('admin')}/status`)).json()).toMatchObject({ faults });
  });

  test('L09 where a caller has left is counted', async () => {
    const caller = await openRaw(broker.address());
    caller.write('POST /ok HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nbody');
    await origin.until(({ connections }) => connections.length > 0);
    await arm('abandon');
    expect((await added(async () => caller.reset())).faults).toBe(1);
  });

  test('L09 where a slow caller takes more of an answer closes its connection, and is counted', async () => {
    const caller = await openRaw(broker.address());
    caller.socket.pause();
    caller.write('GET /large HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await origin.until(({ requests }) => requests.some(({ target }) => target === '/large'));
    await arm('room');
    expect(
      (
        await added(async () => {
          caller.socket.resume();
          await caller.closed;
        })
      ).faults,
    ).toBe(1);
    expect(caller.text().length).toBeLessThan(LARGE.length);
  });

  test('L09 where an upstream takes more of a request ends that request, and is counted', async () => {
    await arm('send');
    expect(await added(() => request(`${broker.url()}/ok`, { method: 'POST', body: LARGE }).catch(() => undefined))).toEqual({
      faults: 0,
      internal: 1,
    });
  });

  test('L09 where an upstream cuts an answer short ends that request, and is counted', async () => {
    await arm('cut');
    expect(await added(() => request(`${broker.url()}/cut`).catch(() => undefined))).toEqual({ faults: 0, internal: 1 });
  });

  test.each(['stream', 'reply'])('L09 in HTTP/2 (%s) ends its stream, not the connection', async (name) => {
    const caller = new Http2Caller(broker.url('h2'));
    await arm(name);
    const { faults, internal: ended } = await added(() => caller.ask({ path: '/ok' }).catch(() => undefined));
    expect(faults + ended).toBe(1);
    expect((await caller.ask({ path: '/ok' })).status).toBe(200);
    caller.session.close();
    await caller.closed;
  });

  test('L09 in a timer of a clock goes without effect, and the next one runs', async () => {
    const [clock, faults, ran] = [new FakeClock(), [] as unknown[], [] as string[]];
    const safe = guarded(clock, (cause) => faults.push(cause));
    safe.after(10, () => {
      throw new TypeError('a mistake');
    });
    safe.after(20, () => ran.push('the next'));
    await clock.advance(30);
    expect([faults, ran]).toEqual([[new TypeError('a mistake')], ['the next']]);
  });
});
