/** Connections of HTTP/2 from the first byte to the last: who gets one, how long it lasts, how it ends. */

import { once } from 'node:events';
import { constants } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, type SceneOptions, startScene } from '../helpers/broker.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { request as plainRequest } from '../helpers/http-client.ts';
import { answerOf, codeOf, data, FrameCaller, Http2Caller, plain, request } from '../helpers/http2-client.ts';
import { code, FRAME, frame } from '../helpers/http2-frames.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(listener: Record<string, unknown> = {}, options: SceneOptions = {}): Promise<Scene> {
  const local = { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['http/1.1', 'h2c'], ...listener };
  const scene = await startScene({ ...options, config: { ...options.config, listeners: { local } } });
  closing.push(() => scene.close());
  return scene;
}

function callerOf(scene: Scene, options?: ConstructorParameters<typeof Http2Caller>[1]): Http2Caller {
  const caller = new Http2Caller(scene.url(), options);
  closing.push(() => caller.close());
  return caller;
}

async function frameCaller(scene: Scene): Promise<FrameCaller> {
  const caller = await FrameCaller.open(scene.address());
  closing.push(() => caller.raw.socket.destroy());
  return caller;
}

const GET = 'GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const isGoaway = ({ type }: { type: number }) => type === FRAME.goaway;

describe('who speaks HTTP/2', () => {
  const tls = { cert: { fromFile: 'cert.pem' }, key: { fromFile: 'key.pem' } };

  async function startSecure(listener: Record<string, unknown> = {}, options: SceneOptions = {}) {
    const authority = await createAuthority();
    const { cert, key } = await authority.issueServer();
    const files = { 'cert.pem': cert, 'key.pem': key, 'ca.pem': authority.certificate };
    const scene = await start({ tls, protocols: ['http/1.1', 'h2'], ...listener }, { ...options, files });
    return { scene, authority, ca: authority.certificate };
  }

  test('is agreed by ALPN over TLS; whoever offers both gets HTTP/2, whoever offers neither HTTP/1.1', async () => {
    const { scene, ca } = await startSecure();
    const caller = callerOf(scene, { ca });
    expect((await caller.ask()).status).toBe(200);
    expect(caller.session.alpnProtocol).toBe('h2');
    const both = await openRaw(scene.address(), { tls: { ca, ALPNProtocols: ['http/1.1', 'h2'] } });
    expect('alpnProtocol' in both.socket && both.socket.alpnProtocol).toBe('h2');
    both.socket.destroy();
    for (const ALPNProtocols of [['http/1.1'], undefined]) {
      const options = { tls: { ca, ...(ALPNProtocols && { ALPNProtocols }) } };
      expect((await sendRaw(scene.address(), GET, options)).text).toMatch(/^HTTP\/1\.1 200 /);
    }
  });

  test('is not spoken where it is not configured', async () => {
    const { scene, ca } = await startSecure({ protocols: ['http/1.1'] });
    await expect(openRaw(scene.address(), { tls: { ca, ALPNProtocols: ['h2'] } })).rejects.toMatchObject({
      code: expect.stringContaining('NO_APPLICATION_PROTOCOL'),
    });
    const clear = await start({ protocols: ['http/1.1'] });
    expect((await sendRaw(clear.address(), 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')).text).toMatch(/^HTTP\/1\.1 505 /);
  });

  test('is all that is spoken where it alone is configured: the rest is 505', async () => {
    const { scene, ca } = await startSecure({ protocols: ['h2'] });
    expect((await sendRaw(scene.address(), GET, { tls: { ca } })).text).toMatch(/^HTTP\/1\.1 505 /);
    const clear = await start({ protocols: ['h2c'] });
    expect((await sendRaw(clear.address(), GET)).text).toMatch(/^HTTP\/1\.1 505 /);
    expect((await callerOf(clear).ask()).status).toBe(200);
  });

  test('B06 is known by its certificate, which must be one of a configured caller', async () => {
    const { scene, authority, ca } = await startSecure(
      { authenticate: ['mtls'], tls: { ...tls, clientCa: { fromFile: 'ca.pem' } } },
      { route: { callers: ['reports'] }, config: { callers: { reports: { mtls: { dns: 'reports.example' } } } } },
    );
    const [known, unknown] = await Promise.all(['reports.example', 'other.example'].map((name) => authority.issueClient({ dns: [name] })));
    expect((await callerOf(scene, { ca, cert: known?.cert, key: known?.key }).ask()).status).toBe(200);
    expect((await callerOf(scene, { ca, cert: unknown?.cert, key: unknown?.key }).ask()).status).toBe(403);
    expect((await callerOf(scene, { ca }).ask()).status).toBe(403);
    expect(scene.origin.requests).toHaveLength(1);
  });

  test('may come over a Unix socket', async () => {
    const path = join(tmpdir(), `token-broker-h2-${process.pid}.sock`);
    await start({ address: `unix:${path}` });
    const caller = new Http2Caller('http://localhost', { createConnection: () => connectTcp(path) });
    closing.push(() => caller.close());
    expect((await caller.ask()).status).toBe(200);
    expect((await plainRequest('http://localhost/api/x', { socketPath: path })).status).toBe(200);
  });

  test('is told by its preface, in however many pieces it comes; what only begins like it is HTTP/1.1', async () => {
    const scene = await start();
    const bytes = Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(FRAME.settings, 0, 0), request(1, plain())]);
    const raw = await openRaw(scene.address());
    for (const byte of bytes) {
      raw.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    await raw.waitFor('ok');
    raw.socket.destroy();
    for (const [text, status] of [
      ['PUT /api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nConnection: close\r\n\r\n', 200],
      ['PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n', 505],
      ['PRI /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n', 200],
    ] as const) {
      const pieces = await openRaw(scene.address());
      for (const letter of text) {
        pieces.write(letter);
        await new Promise((resolve) => setImmediate(resolve));
      }
      await pieces.closed;
      expect(pieces.text()).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    }
  });

  test('H07 pipelined requests of HTTP/1.1, and large bodies, are read as ever where both are spoken', async () => {
    const scene = await start({}, { origin: ({ body, target }) => answerWith(200, [], `${target}:${body.length}`) });
    const body = 'x'.repeat(300_000);
    const text = `PUT /api/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
    const answer = await sendRaw(scene.address(), `${text}${GET}`);
    expect(answer.text).toMatch(/^HTTP\/1\.1 200 [\s\S]*\/1:300000HTTP\/1\.1 200 [\s\S]*\/x:0$/);
  });
});

describe('how long a connection of HTTP/2 lasts', () => {
  test.each([
    ['nothing at all', (caller: FrameCaller) => void caller],
    ['a settings frame after its first one', (caller: FrameCaller) => caller.write(frame(FRAME.settings, 1, 0))],
  ])('S04 a caller that says %s is sent away after headTimeout', async (_what, say) => {
    const scene = await start({ limits: { headTimeout: '300ms', idleTimeout: '1h' } });
    const caller = await frameCaller(scene);
    say(caller);
    await caller.raw.closed;
    expect(caller.frames.filter(isGoaway).map(codeOf)).toEqual(expect.arrayContaining([constants.NGHTTP2_NO_ERROR]));
  });

  test.each(['', 'PRI * HTTP/2.0\r\n\r\nS', 'P'])('S04 a caller that says only %j is cut after headTimeout', async (text) => {
    const scene = await start({ limits: { headTimeout: '300ms', idleTimeout: '1h' } });
    const raw = await openRaw(scene.address());
    raw.write(text);
    await raw.closed;
    expect(await scene.metrics()).toMatch(/^token_broker_connections_open\{listener="local"\} 0$/m);
  });

  test('S04 a caller that never takes our settings is sent away, though it waits for an answer', async () => {
    const scene = await start({ limits: { headTimeout: '300ms', idleTimeout: '1h' } }, { origin: () => undefined });
    const caller = await frameCaller(scene);
    caller.write(request(1, plain()));
    await caller.raw.closed;
    expect(caller.frames.filter(isGoaway).map(codeOf)).toContain(constants.NGHTTP2_SETTINGS_TIMEOUT);
  });

  test('S04 an idle connection is closed after idleTimeout; one that waits for its answer is not', async () => {
    let finish: () => void = () => {};
    const scene = await start(
      { limits: { idleTimeout: '300ms' } },
      {
        origin: ({ target }, connection) => {
          if (target === '/x') return answerWith(200, [], 'ok');
          finish = () => connection.write(answerWith(200, [], 'slow'));
          return undefined;
        },
      },
    );
    const [idle, waiting] = [callerOf(scene), callerOf(scene)];
    const slow = waiting.ask({ path: '/api/slow' });
    await scene.origin.untilRequests(1);
    expect((await idle.ask()).status).toBe(200);
    await idle.closed;
    expect(idle.goaway).toBe(constants.NGHTTP2_NO_ERROR);
    finish();
    expect((await slow).body.toString()).toBe('slow');
  });

  test('S04 a body that stops is 408, and its connection goes on', async () => {
    const scene = await start({ limits: { idleTimeout: '300ms' } });
    const caller = callerOf(scene);
    const stream = caller.begin({ method: 'POST' }, true);
    const answered = answerOf(stream);
    stream.write('half');
    const answer = await answered;
    expect([answer.status, JSON.parse(answer.body.toString()).code, answer.reset]).toEqual([
      408,
      'REQUEST_TIMEOUT',
      constants.NGHTTP2_NO_ERROR,
    ]);
    expect((await caller.ask()).status).toBe(200);
    expect(scene.origin.requests.map(({ method }) => method)).toEqual(['GET']);
  });

  test('S05 no more connections than maxConnections, whatever they speak', async () => {
    const scene = await start({ limits: { maxConnections: 2 } });
    const [first, second] = [callerOf(scene), await openRaw(scene.address())];
    expect((await first.ask()).status).toBe(200);
    second.write('GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await second.waitFor('ok');
    const third = await openRaw(scene.address());
    await third.closed;
    expect((await first.ask()).status).toBe(200);
    second.socket.destroy();
  });

  test('S05 no more streams than maxStreams: the next ones wait for room at the caller', async () => {
    const waiting: (() => void)[] = [];
    const scene = await start(
      { limits: { maxStreams: 3 } },
      { origin: (_request, connection) => void waiting.push(() => connection.write(answerWith(200, [], 'ok'))) },
    );
    const caller = callerOf(scene);
    await new Promise((resolve) => caller.session.once('remoteSettings', resolve));
    expect(caller.session.remoteSettings.maxConcurrentStreams).toBe(3);
    const answers = Array.from({ length: 6 }, () => caller.ask());
    await scene.origin.untilRequests(3);
    for (let served = 0; served < 6; ) {
      expect(waiting.length).toBeLessThanOrEqual(3);
      for (const answer of waiting.splice(0)) {
        answer();
        served += 1;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([200, 200, 200, 200, 200, 200]);
  });
});

describe('many at once on one connection', () => {
  test('S02 99 streams whose answers nobody takes do not keep the hundredth from its own', async () => {
    const scene = await start({}, { origin: ({ target }) => answerWith(200, [], target === '/big' ? 'x'.repeat(1024 * 1024) : 'ok') });
    const caller = callerOf(scene, { settings: { initialWindowSize: 0 } });
    for (let i = 0; i < 99; i += 1) {
      const stream = caller.begin({ path: '/api/big' });
      await new Promise((resolve) => stream.once('response', resolve));
    }
    const last = caller.begin({ path: '/api/small', method: 'HEAD' });
    const answer = await answerOf(last);
    expect([answer.status, answer.reset]).toEqual([200, 0]);
  });
});

describe('an answer that does not wait for the body', () => {
  test('is whole, its trailers too, before its stream is reset, though its caller takes it slowly', async () => {
    const size = 100_000;
    const scene = await start(
      {},
      {
        origin: () => undefined,
        route: {
          upstream: await earlyOrigin(
            `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n${size.toString(16)}\r\n${'x'.repeat(size)}\r\n0\r\nX-Sum: 7\r\n\r\n`,
          ),
        },
      },
    );
    const caller = await frameCaller(scene);
    await caller.settle();
    caller.write(request(1, plain('/api/x', 'POST'), { ended: false }), data(1, 'the beginning'));
    const received = () => caller.frames.filter(({ type }) => type === FRAME.data).reduce((sum, { payload }) => sum + payload.length, 0);
    await caller.raw.waitFor(() => received() >= 65_535);
    expect(caller.frames.some(({ type }) => type === FRAME.reset)).toBe(false);
    const more = code(size);
    caller.write(frame(FRAME.windowUpdate, 0, 0, more), frame(FRAME.windowUpdate, 0, 1, more));
    const end = await caller.waitFor(({ type }) => type === FRAME.reset);
    expect([received(), codeOf(end)]).toEqual([size, constants.NGHTTP2_NO_ERROR]);
    const last = caller.frames.filter(({ stream }) => stream === 1).slice(-2);
    expect(last.map(({ type, flags }) => [type, flags & 1])).toEqual([
      [FRAME.headers, 1],
      [FRAME.reset, 0],
    ]);
  });

  test('to HEAD is whole by its head', async () => {
    const scene = await start();
    const caller = await frameCaller(scene);
    await caller.settle();
    caller.write(request(1, plain('/nowhere', 'HEAD'), { ended: false }), data(1, 'the beginning'));
    expect(codeOf(await caller.waitFor(({ type }) => type === FRAME.reset))).toBe(constants.NGHTTP2_NO_ERROR);
    expect(caller.frames.filter(({ stream }) => stream === 1).map(({ type, flags }) => [type, flags & 1])).toEqual([
      [FRAME.headers, 1],
      [FRAME.reset, 0],
    ]);
  });

  async function earlyOrigin(answer: string): Promise<string> {
    const origin = await startScriptedServer({ answer: () => undefined, onHead: () => answer });
    closing.push(() => origin.close());
    return origin.url;
  }
});

describe('stopping, over HTTP/2', () => {
  test('L01 what runs is finished, after a GOAWAY; nothing new is taken', async () => {
    let finish: () => void = () => {};
    const scene = await start(
      {},
      {
        origin: (_request, connection) => {
          connection.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
          finish = () => connection.write('done');
        },
      },
    );
    const caller = await frameCaller(scene);
    await caller.settle();
    caller.write(request(1, plain()));
    await caller.waitFor(({ type }) => type === FRAME.data);
    const drained = scene.broker.drain();
    await caller.waitFor((each) => isGoaway(each) && each.payload.readUInt32BE(0) === 1);
    caller.write(request(3, plain()));
    finish();
    await caller.waitFor(({ type, flags, stream }) => stream === 1 && type === FRAME.data && (flags & 1) === 1);
    expect(await drained).toBe(0);
    expect(scene.origin.requests).toHaveLength(1);
    expect(caller.frames.some(({ stream }) => stream === 3)).toBe(false);
    await caller.raw.closed;
  });

  test('L02 idle connections do not hold it up', async () => {
    const scene = await start();
    const caller = callerOf(scene);
    await caller.ask();
    const [silent, undecided] = [await frameCaller(scene), await openRaw(scene.address())];
    expect(await scene.broker.drain()).toBe(0);
    await Promise.all([caller.closed, silent.raw.closed, undecided.closed]);
  });

  test('L04 what outlasts the grace is cut and counted, each stream for itself', async () => {
    const scene = await start({}, { origin: () => undefined, config: { shutdown: { grace: '500ms' } } });
    const caller = callerOf(scene);
    const answers = [caller.ask(), caller.ask(), caller.ask()];
    await scene.origin.untilRequests(3);
    expect(await scene.broker.drain()).toBe(3);
    expect((await Promise.all(answers)).map(({ status }) => status)).toEqual([0, 0, 0]);
    expect(scene.log.filter(({ msg }) => msg === 'request').map(({ cut }) => cut)).toEqual(['broker', 'broker', 'broker']);
  });
});

test('answers that callers give up take no room from those to come: 600 on one connection, then another request', async () => {
  const scene = await start({ limits: { maxStreams: 4 } }, { origin: () => answerWith(200, [], Buffer.alloc(300_000)) });
  const caller = callerOf(scene);
  for (let i = 0; i < 600; i += 1) {
    const stream = caller.begin();
    stream.once('data', () => stream.close(constants.NGHTTP2_CANCEL));
    await once(stream, 'close');
    expect(stream.rstCode).toBe(constants.NGHTTP2_CANCEL);
  }
  const { status, body } = await caller.ask();
  expect([status, body.length, caller.goaway]).toEqual([200, 300_000, undefined]);
});
