/** Upstreams of HTTP/2: the same promises as for HTTP/1.1, on connections that carry many requests. */

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { constants } from 'node:http2';
import { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { BrokerStatus } from '../../src/admin/status.ts';
import { type Scene, type SceneOptions, startScene } from '../helpers/broker.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';
import { code, FRAME, frame, head200, startFrameServer } from '../helpers/http2-frames.ts';
import { type Handle, type Http2Origin, routeTo, startHttp2Origin } from '../helpers/http2-origin.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';
import { answerWith, inTurn } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function startOrigin(...given: Parameters<typeof startHttp2Origin>): Promise<Http2Origin> {
  const origin = await startHttp2Origin(...given);
  closing.push(() => origin.close());
  return origin;
}

async function start(origin: Pick<Http2Origin, 'url' | 'files'>, options: SceneOptions = {}): Promise<Scene> {
  const scene = await startScene({ ...options, files: origin.files, route: { ...routeTo(origin), ...options.route } });
  closing.push(() => scene.close());
  return scene;
}

const ok: Handle = (stream) => {
  stream.respond({ ':status': 200, 'content-type': 'text/plain' });
  stream.end('ok');
};
const echo: Handle = (stream) => {
  stream.respond({ ':status': 200 });
  stream.pipe(stream);
};
const get = (scene: Scene, options: Parameters<typeof request>[1] = {}) => request(`${scene.url()}/api/x`, options);
const pairs = (raw: string[]) => raw.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${raw[i + 1]}`] : []));

describe('a request over HTTP/2', () => {
  test.each([
    ['TLS', true],
    ['the clear', false],
  ])('over %s: pseudo-fields, the token, nothing of HTTP/1.1, many on one connection', async (_over, secure) => {
    const origin = await startOrigin(ok, { secure });
    const scene = await start(origin);
    const fields = ['Connection', 'keep-alive, X-Mine', 'X-Mine', 'a', 'Keep-Alive', 'timeout=5', 'X-Twice', '1', 'X-Twice', 'caf\xe9'];
    const answers = await Promise.all([get(scene, { fields }), get(scene), get(scene)]);
    expect(answers.map((answer) => [answer.status, answer.text()])).toEqual([1, 2, 3].map(() => [200, 'ok']));
    expect(origin.sessions).toHaveLength(1);
    const head = pairs(origin.heads.find((raw) => raw.includes('x-twice')) as string[]);
    expect(head.slice(0, 4)).toEqual([
      ':method: GET',
      `:scheme: ${secure ? 'https' : 'http'}`,
      `:authority: ${new URL(origin.url).host}`,
      ':path: /x',
    ]);
    expect(head).toEqual(
      expect.arrayContaining(['te: trailers', 'authorization: Bearer scripted-access-token', 'x-twice: 1', 'x-twice: caf\xe9']),
    );
    for (const name of ['connection', 'keep-alive', 'x-mine', 'host', 'transfer-encoding', 'content-length'])
      expect(head.some((line) => line.startsWith(`${name}:`))).toBe(false);
  });

  test.each([
    ['TLS', true, 256 * 1024],
    ['TLS', true, 3 * 1024 * 1024],
    ['the clear', false, 256 * 1024],
    ['the clear', false, 3 * 1024 * 1024],
  ])('over %s, bodies pass both ways byte for byte, with a length and without', async (_over, secure, size) => {
    const lengths: (string | undefined)[] = [];
    const origin = await startOrigin(
      (stream, head, raw) => {
        lengths.push(head['content-length']);
        return echo(stream, head, raw);
      },
      { secure },
    );
    const scene = await start(origin);
    const sent = randomBytes(size);
    for (let i = 0; i < 3; i += 1) {
      expect((await get(scene, { method: 'PUT', body: sent })).body.equals(sent)).toBe(true);
      expect((await get(scene, { method: 'PUT', body: Readable.from(sent, { objectMode: false }) })).body.equals(sent)).toBe(true);
    }
    expect(lengths.slice(0, 2)).toEqual([String(size), undefined]);
  });

  test('trailers pass both ways', async () => {
    let received: Record<string, unknown> = {};
    const scene = await start(
      await startOrigin((stream) => {
        stream.on('trailers', (trailers) => {
          received = trailers;
        });
        stream.respond({ ':status': 200 }, { waitForTrailers: true });
        stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0', 'grpc-message': 'fine' }));
        stream.on('end', () => stream.end('ok')).resume();
      }),
    );
    const { text } = await sendRaw(
      scene.address(),
      'POST /api/x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 12\r\nconstructor: x\r\n\r\n',
    );
    expect(text).toMatch(/\r\n2\r\nok\r\n0\r\ngrpc-status: 0\r\ngrpc-message: fine\r\n\r\n$/);
    expect(received).toMatchObject({ 'x-sum': '12', constructor: 'x' });
  });

  test('N07 fields that should come once but come twice pass as they are, both ways', async () => {
    const origin = await startOrigin((stream) => {
      stream.respond([':status', '200', 'age', '1', 'age', '2', 'set-cookie', 'a=b', 'set-cookie', 'c=d'], { endStream: true });
    });
    const scene = await start(origin);
    const fields = ['User-Agent', 'a', 'User-Agent', 'b', 'Content-Type', 'c', 'Content-Type', 'd'];
    const answer = await get(scene, { fields });
    expect(answer.fields.filter((_, i) => /^(?:age|set-cookie)$/.test(answer.fields[i - (i % 2)] as string))).toEqual([
      'age',
      '1',
      'age',
      '2',
      'set-cookie',
      'a=b',
      'set-cookie',
      'c=d',
    ]);
    expect(pairs(origin.heads[0] as string[])).toEqual(
      expect.arrayContaining(['user-agent: a', 'user-agent: b', 'content-type: c', 'content-type: d']),
    );
  });

  test('interim answers, HEAD, 204 and 304 are what they are', async () => {
    const scene = await start(
      await startOrigin((stream, head) => {
        if (head[':method'] === 'HEAD') return stream.respond({ ':status': 200, 'content-length': '5' }, { endStream: true });
        stream.additionalHeaders({ ':status': 103, link: '</a.css>' });
        return stream.respond({ ':status': Number(head['x-want']) }, { endStream: true });
      }),
    );
    const head = await get(scene, { method: 'HEAD' });
    expect([head.status, head.field('content-length'), head.complete]).toEqual([200, '5', true]);
    for (const status of [204, 304]) expect((await get(scene, { fields: { 'X-Want': String(status) } })).status).toBe(status);
    const raw = await sendRaw(scene.address(), 'GET /api/x HTTP/1.1\r\nHost: localhost\r\nX-Want: 204\r\nConnection: close\r\n\r\n');
    expect(raw.text).toMatch(/^HTTP\/1\.1 103 Early Hints\r\nlink: <\/a\.css>\r\n\r\nHTTP\/1\.1 204 /);
  });

  test('a refused token is renewed and the request sent once more', async () => {
    const token = inTurn(
      ...['first', 'second'].map((name) =>
        answerWith(200, [], JSON.stringify({ access_token: name, token_type: 'Bearer', expires_in: 60 })),
      ),
    );
    const scene = await start(
      await startOrigin((stream, head) =>
        stream.respond({ ':status': head['authorization'] === 'Bearer second' ? 200 : 401 }, { endStream: true }),
      ),
      { token },
    );
    expect((await get(scene, { method: 'PUT', body: 'again' })).status).toBe(200);
  });
});

describe('what goes wrong over HTTP/2', () => {
  const half = (stream: number) => frame(FRAME.data, 0, stream, Buffer.from('half'));
  const lastHalf = (stream: number) => frame(FRAME.data, 1, stream, Buffer.from('half'));
  const resetWith = (stream: number, value: number) => frame(FRAME.reset, 0, stream, code(value));
  const cuts: [string, (stream: number) => Buffer[]][] = [
    ['is reset with an error', (id) => [head200(id), half(id), resetWith(id, constants.NGHTTP2_INTERNAL_ERROR)]],
    ['is reset as if nothing were wrong', (id) => [head200(id), half(id), resetWith(id, constants.NGHTTP2_NO_ERROR)]],
    ['is cancelled', (id) => [head200(id), half(id), resetWith(id, constants.NGHTTP2_CANCEL)]],
    ['is shorter than announced', (id) => [head200(id, ['content-length', '10']), lastHalf(id)]],
    ['is longer than announced', (id) => [head200(id, ['content-length', '2']), lastHalf(id)]],
    ['announces two lengths', (id) => [head200(id, ['content-length', '4', 'content-length', '4']), lastHalf(id)]],
    ['has fields of HTTP/1.1', (id) => [head200(id, ['transfer-encoding', 'chunked']), lastHalf(id)]],
  ];
  test.each(cuts)('an answer that %s is passed on as cut short, or is 502', async (_what, answer) => {
    const server = await startFrameServer(answer);
    closing.push(() => server.close());
    const scene = await start({ url: server.url, files: {} });
    const { text } = await sendRaw(scene.address(), 'GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    const line = await scene.logged('request');
    if (line['status'] === 200) expect(line['cut']).toBe('upstream');
    else expect([line['status'], line['code']]).toEqual([502, expect.stringMatching(/^UPSTREAM_/)]);
    expect(text).not.toMatch(/^HTTP\/1\.1 200[\s\S]*\r\n0\r\n\r\n$/);
  });

  test('a field with a line break in it never becomes two', async () => {
    const server = await startFrameServer((id) => [head200(id, ['x-a', 'b\r\nx-c: d', 'x-e', 'f']), lastHalf(id)]);
    closing.push(() => server.close());
    const answer = await get(await start({ url: server.url, files: {} }));
    expect([answer.status, answer.field('x-a'), answer.field('x-c'), answer.field('x-e')]).toEqual([200, undefined, undefined, 'f']);
  });

  test('an answer whose connection is lost is passed on as cut short', async () => {
    const origin = await startOrigin((stream) => {
      stream.respond();
      stream.write('half', () => setImmediate(() => stream.session?.socket.destroy()));
    });
    const scene = await start(origin);
    const { text } = await sendRaw(scene.address(), 'GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(text).toMatch(/half\r\n$/);
    expect(await scene.logged('request')).toMatchObject({ status: 200, cut: 'upstream' });
  });

  test('an upstream that does not agree on HTTP/2, or speaks another protocol: 502, and nothing is sent', async () => {
    const authority = await createAuthority();
    const server = await startScriptedServer({ answer: () => answerWith(200, [], 'ok'), tls: await authority.issueServer() });
    closing.push(() => server.close());
    const scene = await start({ url: server.url, files: { 'ca.pem': authority.certificate } });
    expect((await get(scene)).field('proxy-status')).toContain('UPSTREAM_INVALID_RESPONSE');
    expect(server.requests).toHaveLength(0);
    const plain = await startScriptedServer({
      answer: () => answerWith(200, [], 'ok'),
      onConnection: (each) => each.write('SSH-2.0-x\r\n'),
    });
    closing.push(() => plain.close());
    expect((await get(await start({ url: plain.url, files: {} }))).status).toBe(502);
    expect(plain.received().includes('scripted-access-token')).toBe(false);
  });

  test('an upstream that is not there is 502, one that stays silent 504', async () => {
    const gone = await startOrigin(ok);
    await (closing.pop() as () => unknown)();
    expect((await get(await start(gone))).field('proxy-status')).toContain('connection_refused');
    const silent = await startScriptedServer({ answer: () => undefined });
    closing.push(() => silent.close());
    const late = await get(await start({ url: silent.url, files: {} }, { route: { timeouts: { connect: '300ms' } } }));
    expect([late.status, late.field('proxy-status')]).toEqual([504, 'token-broker; error=connection_timeout; details="UPSTREAM_TIMEOUT"']);
    const hanging = await start(await startOrigin(() => {}), { route: { timeouts: { response: '300ms' } } });
    expect((await get(hanging)).field('proxy-status')).toContain('http_response_timeout');
  });

  test('a stream that was refused unprocessed is sent once more, whatever its method, on another connection', async () => {
    let refused = 0;
    const origin = await startOrigin((stream, head, raw) => {
      if (refused > 0) return ok(stream, head, raw);
      refused += 1;
      return stream.close(constants.NGHTTP2_REFUSED_STREAM);
    });
    const scene = await start(origin);
    expect((await get(scene, { method: 'POST', fields: { 'Content-Length': '0' } })).text()).toBe('ok');
    expect([origin.heads.length, origin.sessions.length]).toEqual([2, 2]);
  });

  test('an upstream that goes on refusing streams is not left with a connection for each of them', async () => {
    const used = new WeakSet<object>();
    const origin = await startOrigin((stream, head, raw) => {
      const session = stream.session as object;
      if (used.has(session)) return stream.close(constants.NGHTTP2_REFUSED_STREAM);
      used.add(session);
      return ok(stream, head, raw);
    });
    const scene = await start(origin);
    for (let requests = 0; requests < 20; requests += 1) expect((await get(scene)).status).toBe(200);
    expect(origin.sessions).toHaveLength(20);
    const left = origin.sessions.slice(0, -1).filter(({ destroyed }) => !destroyed);
    await Promise.all(left.map((session) => once(session, 'close')));
    expect(origin.sessions.at(-1)?.destroyed).toBe(false);
  });

  test('after a GOAWAY what runs is finished, and the next request opens another connection', async () => {
    let finish: () => void = () => {};
    const origin = await startOrigin((stream, head, raw) => {
      if (head['x-slow'] === undefined) return void ok(stream, head, raw);
      stream.respond();
      finish = () => stream.end('slow');
      stream.session?.goaway();
    });
    const scene = await start(origin);
    const slow = await openRaw(scene.address());
    slow.write('GET /api/x HTTP/1.1\r\nHost: localhost\r\nX-Slow: 1\r\nConnection: close\r\n\r\n');
    await slow.waitFor('\r\n\r\n');
    expect((await get(scene)).text()).toBe('ok');
    expect(origin.sessions).toHaveLength(2);
    finish();
    expect(await slow.waitFor('slow')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await slow.closed).toBe('fin');
  });

  test('no more streams than the upstream takes: the rest waits, or goes on another connection', async () => {
    const release: (() => void)[] = [];
    const origin = await startOrigin((stream, head, raw) => void release.push(() => ok(stream, head, raw)), {
      settings: { maxConcurrentStreams: 2 },
    });
    const scene = await start(origin, { route: { pool: { maxConnections: 2 } } });
    const answers = Array.from({ length: 6 }, () => get(scene));
    while (release.length < 4) await new Promise((resolve) => setImmediate(resolve));
    expect(origin.sessions).toHaveLength(2);
    const upstream = async () => ((await request(`${scene.url('admin')}/status`)).json() as BrokerStatus).upstreams[0];
    expect(await upstream()).toMatchObject({ open: 2, idle: 0, queued: 2 });
    let served = 0;
    while (served < 6) {
      for (const answer of release.splice(0)) {
        answer();
        served += 1;
      }
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect((await Promise.all(answers)).map((answer) => answer.status)).toEqual([200, 200, 200, 200, 200, 200]);
    expect(origin.sessions).toHaveLength(2);
    expect(await upstream()).toMatchObject({ open: 2, idle: 2, queued: 0 });
  });

  test('what waits in line while a connection is lost goes on the next one', async () => {
    const origin = await startOrigin((stream, head, raw) => void (head[':method'] === 'POST' && ok(stream, head, raw)), {
      settings: { maxConcurrentStreams: 1 },
    });
    const scene = await start(origin, { route: { pool: { maxConnections: 1 } } });
    const first = await openRaw(scene.address());
    first.write('GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    while (origin.heads.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const posts = Array.from({ length: 3 }, () => get(scene, { method: 'POST', body: 'a body' }));
    const upstream = async () => ((await request(`${scene.url('admin')}/status`)).json() as BrokerStatus).upstreams[0];
    while ((await upstream())?.queued !== 3) await new Promise((resolve) => setImmediate(resolve));
    origin.sessions[0]?.socket.destroy();
    expect((await Promise.all(posts)).map((answer) => answer.status)).toEqual([200, 200, 200]);
  });

  test('an upstream that takes more than it first said is sent what waits', async () => {
    const origin = await startOrigin(ok, { settings: { maxConcurrentStreams: 0 } });
    const scene = await start(origin, { route: { pool: { maxConnections: 1 } } });
    const waiting = get(scene);
    while (origin.sessions.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const [session] = origin.sessions;
    if (session?.pendingSettingsAck === true) await once(session, 'localSettings');
    session?.settings({ maxConcurrentStreams: 1 });
    expect((await waiting).status).toBe(200);
  });

  test('200 bodies of which the upstream takes nothing do not keep another request from its answer', async () => {
    const origin = await startOrigin((stream, head, raw) => void (head[':method'] === 'GET' && ok(stream, head, raw)), {
      settings: { initialWindowSize: 0, maxConcurrentStreams: 1_000 },
    });
    const scene = await start(origin, { route: { pool: { maxConnections: 1 } } });
    const uploads = await Promise.all(Array.from({ length: 200 }, () => openRaw(scene.address())));
    for (const upload of uploads)
      upload.write(`PUT /api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n${'x'.repeat(150_000)}`);
    while (origin.heads.length < 200) await delay(10);
    const answer = await get(scene, { method: 'GET' });
    for (const upload of uploads) upload.socket.destroy();
    expect([answer.status, answer.reason, origin.sessions.length]).toEqual([200, 'OK', 1]);
  });

  test('a caller that takes nothing holds the upstream back', async () => {
    let written = 0;
    const scene = await start(
      await startOrigin((stream) => {
        stream.respond();
        const more = () => {
          do written += 64 * 1024;
          while (stream.write(Buffer.alloc(64 * 1024)) && written < 64 * 1024 * 1024);
          stream.once('drain', more);
        };
        more();
      }),
      { config: { listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'], limits: { idleTimeout: '1s' } } } } },
    );
    const caller = await openRaw(scene.address());
    caller.write('GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    await caller.waitFor('\r\n\r\n');
    caller.socket.pause();
    const line = await scene.logged('request');
    expect(line['cut']).toBe('caller');
    expect(written).toBeLessThan(32 * 1024 * 1024);
    caller.socket.destroy();
  });

  test.each([
    ['TLS', true],
    ['the clear', false],
  ])('over %s, a caller that stops and goes gets every byte', async (_over, secure) => {
    const body = randomBytes(6 * 1024 * 1024);
    const origin = await startOrigin(
      (stream) => {
        stream.respond();
        stream.end(body);
      },
      { secure },
    );
    const scene = await start(origin);
    const caller = await openRaw(scene.address());
    caller.write('GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    for (let i = 0; i < 20; i += 1) {
      caller.socket.pause();
      await delay(10);
      caller.socket.resume();
      await delay(1);
    }
    await caller.closed;
    const framed = frameChunks(caller.text());
    expect(framed.equals(body)).toBe(true);
  });

  test('a caller that leaves cancels its stream alone', async () => {
    const closed = Promise.withResolvers<number>();
    const origin = await startOrigin((stream, head, raw) => {
      if (head['x-slow'] === undefined) return void ok(stream, head, raw);
      stream.on('close', () => closed.resolve(stream.rstCode));
      stream.respond();
      stream.write('half');
    });
    const scene = await start(origin);
    const caller = await openRaw(scene.address());
    caller.write('GET /api/x HTTP/1.1\r\nHost: localhost\r\nX-Slow: 1\r\n\r\n');
    await caller.waitFor('half');
    caller.reset();
    expect(await closed.promise).toBe(constants.NGHTTP2_CANCEL);
    expect((await get(scene)).text()).toBe('ok');
    expect(origin.sessions).toHaveLength(1);
  });
});

/** The body of a chunked answer that is whole. */
function frameChunks(text: string): Buffer {
  const chunks: string[] = [];
  let at = text.indexOf('\r\n\r\n') + 4;
  for (;;) {
    const lineEnd = text.indexOf('\r\n', at);
    const size = Number.parseInt(text.slice(at, lineEnd), 16);
    if (size === 0) return Buffer.from(chunks.join(''), 'latin1');
    if (Number.isNaN(size)) throw new Error('the answer is cut short');
    chunks.push(text.slice(lineEnd + 2, lineEnd + 2 + size));
    at = lineEnd + 2 + size + 2;
  }
}
