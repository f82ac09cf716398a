/** Callers that speak HTTP/2, on the port of those that speak HTTP/1.1: the same promises, on connections that carry many requests. */

import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import { constants } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, type SceneOptions, secretHash, startScene } from '../helpers/broker.ts';
import { answerOf, Http2Caller } from '../helpers/http2-client.ts';
import { fieldLines } from '../helpers/message-framing.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { answerWith, cutShort, inTurn } from '../helpers/scripted-answers.ts';
import type { ScriptedConnection } from '../helpers/scripted-server.ts';

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(options: SceneOptions = {}, listener: Record<string, unknown> = {}): Promise<Scene> {
  const local = { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['http/1.1', 'h2c'], ...listener };
  const scene = await startScene({ ...options, config: { ...options.config, listeners: { local } } });
  closing.push(() => scene.close());
  return scene;
}

function callerOf(scene: Scene): Http2Caller {
  const caller = new Http2Caller(scene.url());
  closing.push(() => caller.close());
  return caller;
}

const basic = (user: string) => `Basic ${Buffer.from(user).toString('base64')}`;

describe('a caller of HTTP/2', () => {
  test('is served on the port of HTTP/1.1, many requests on one connection', async () => {
    const scene = await start();
    const caller = callerOf(scene);
    const answers = await Promise.all([caller.ask(), caller.ask({ method: 'POST', body: 'hello' }), caller.ask()]);
    expect(answers.map(({ status, body, reset }) => [status, body.toString(), reset])).toEqual(answers.map(() => [200, 'ok', 0]));
    const { text } = await sendRaw(scene.address(), 'GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 200 /);
    expect(scene.log.filter(({ msg }) => msg === 'request').map(({ protocol }) => protocol)).toEqual([
      'HTTP/2.0',
      'HTTP/2.0',
      'HTTP/2.0',
      'HTTP/1.1',
    ]);
    expect(await scene.metrics()).toMatch(/^token_broker_connections_open\{listener="local"\} 1$/m);
  });

  test('C02 1,000 requests on one connection, 100 at a time, each get their own answer', async () => {
    const scene = await start({ origin: ({ target }) => answerWith(200, [], target) });
    const caller = callerOf(scene);
    for (let round = 0; round < 10; round += 1) {
      const paths = Array.from({ length: 100 }, (_, i) => `/${round}-${i}`);
      const answers = await Promise.all(paths.map((path) => caller.ask({ path: `/api${path}` })));
      expect(answers.map(({ body }) => body.toString())).toEqual(paths);
    }
  });

  test('H06 a body with a length arrives with it, one without in chunks, no body without either', async () => {
    const scene = await start();
    const caller = callerOf(scene);
    await caller.ask({ method: 'PUT', body: 'hello', fields: ['content-length', '5'] });
    await caller.ask({ method: 'PUT', body: 'hello' });
    await caller.ask({ method: 'DELETE' });
    const { requests } = scene.origin;
    const framing = requests.map(({ head }) => [fieldLines(head, 'content-length'), fieldLines(head, 'transfer-encoding')]);
    expect(framing).toEqual([
      [['5'], []],
      [[], ['chunked']],
      [[], []],
    ]);
    expect(requests.map(({ body }) => body.toString())).toEqual(['hello', 'hello', '']);
  });

  test('S01 bodies of 3 MiB pass both ways byte for byte, several at once', async () => {
    const echo = createServer((received, answer) => void received.pipe(answer));
    await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
    closing.push(() => echo.close());
    const scene = await start({ route: { upstream: `http://127.0.0.1:${(echo.address() as AddressInfo).port}` } });
    const caller = callerOf(scene);
    const sent = Array.from({ length: 4 }, () => randomBytes(3 * 1024 * 1024));
    const answers = await Promise.all(sent.map((body) => caller.ask({ method: 'POST', body })));
    expect(answers.map(({ body }, i) => body.equals(sent[i] as Buffer))).toEqual([true, true, true, true]);
  });

  test('trailers pass both ways', async () => {
    const scene = await start({
      origin: () =>
        'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\nSet-Cookie: no\r\nconstructor: x\r\n\r\n',
    });
    const answer = await callerOf(scene).ask({ method: 'POST', body: 'hi', trailers: { 'x-sum': '12', authorization: 'no' } });
    expect([answer.body.toString(), answer.trailers, answer.reset]).toEqual(['ok', ['x-sum', '7', 'constructor', 'x'], 0]);
    expect(scene.origin.received().toString()).toMatch(/\r\n2\r\nhi\r\n0\r\nx-sum: 12\r\n\r\n$/);
  });

  test('an answer has a Date: that of the upstream, or ours where it has none, as our own answers do', async () => {
    const upstreams = 'Sat, 01 Jan 2000 00:00:00 GMT';
    const ours = expect.stringMatching(/^[A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} 20[2-9]\d \d\d:\d\d:\d\d GMT$/);
    const caller = callerOf(await start({ origin: inTurn(answerWith(200, [`Date: ${upstreams}`]), answerWith(200, [])) }));
    const answers = [
      await caller.ask(),
      await caller.ask(),
      await caller.ask({ path: '/nowhere' }),
      await caller.ask({ path: '/api/../x' }),
    ];
    const dates = answers.map(({ fields }) => fields.filter((_, i) => fields[i - 1] === 'date' && i % 2 === 1));
    expect([answers.map(({ status }) => status), dates]).toEqual([
      [200, 200, 404, 400],
      [[upstreams], [ours], [ours], [ours]],
    ]);
  });

  test('N07 fields that should come once but come twice pass as they are, both ways', async () => {
    const twice = ['age', '1', 'set-cookie', 'a=b', 'age', '2', 'content-type', 'x', 'set-cookie', 'c=d', 'content-type', 'y'];
    const lines = twice.flatMap((name, i) => (i % 2 === 0 ? [`${name}: ${twice[i + 1]}`] : []));
    const scene = await start({ origin: () => `HTTP/1.1 103 Early Hints\r\n${lines.join('\r\n')}\r\n\r\n${answerWith(200, lines, 'ok')}` });
    const answer = await callerOf(scene).ask({ fields: ['user-agent', 'a', 'x-a', '1', 'user-agent', 'b'] });
    expect([answer.status, answer.interims, answer.fields.slice(0, twice.length)]).toEqual([200, [103], twice]);
    const { head } = scene.origin.requests[0] as { head: string };
    expect(fieldLines(head, 'user-agent')).toEqual(['a', 'b']);
  });

  test('N01 N02 what concerns a connection of HTTP/1.1 stays behind, both ways', async () => {
    const lines = [
      'Connection: close, X-Mine',
      'X-Mine: a',
      'Keep-Alive: timeout=5',
      'Proxy-Authenticate: Basic',
      'Trailer: X-Sum',
      'X-Kept: b',
    ];
    const scene = await start({ origin: () => answerWith(200, lines, 'ok') });
    const answer = await callerOf(scene).ask({
      fields: ['trailer', 'x-sum', 'proxy-authenticate', 'x', 'x-kept', 'c'],
    });
    expect(answer.fields).toEqual(['x-kept', 'b', 'content-length', '2', 'date', expect.any(String)]);
    const { head } = scene.origin.requests[0] as { head: string };
    for (const name of ['trailer', 'proxy-authenticate']) expect(fieldLines(head, name)).toEqual([]);
    expect(fieldLines(head, 'x-kept')).toEqual(['c']);
  });

  test('H13 fields named as what every object has pass, both ways and in every kind of head', async () => {
    const lines = ['__proto__: 1', 'constructor: 2', 'hasOwnProperty: 3'];
    const answered = `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n${lines.join('\r\n')}\r\n\r\n0\r\n${lines.join('\r\n')}\r\n\r\n`;
    const scene = await start({ origin: () => `HTTP/1.1 103 Early Hints\r\n${lines.join('\r\n')}\r\n\r\n${answered}` });
    const fields = ['__proto__', '1', 'constructor', '2', 'hasownproperty', '3'];
    const answer = await callerOf(scene).ask({ fields });
    expect([answer.fields.slice(0, -2), answer.trailers, answer.interims]).toEqual([fields, fields, [103]]);
    expect(fieldLines((scene.origin.requests[0] as { head: string }).head, '__proto__')).toEqual(['1']);
  });

  test('S05 an answer with a head of 60 KiB passes', async () => {
    const scene = await start({ origin: () => answerWith(200, [`X-A: ${'x'.repeat(30_000)}`, `X-B: ${'\xe9'.repeat(30_000)}`], 'ok') });
    const answer = await callerOf(scene).ask();
    expect([answer.status, answer.field('x-a')?.length, answer.field('x-b'), answer.body.toString()]).toEqual([
      200,
      30_000,
      '\xe9'.repeat(30_000),
      'ok',
    ]);
  });

  test('H11 HEAD, 204, 304 and interim answers are what they are', async () => {
    const scene = await start({
      origin: ({ method, target }) =>
        method === 'HEAD'
          ? 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'
          : `HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 ${target.slice(1)} X\r\n\r\n`,
    });
    const caller = callerOf(scene);
    const head = await caller.ask({ method: 'HEAD' });
    expect([head.status, head.field('content-length'), head.body.length, head.reset]).toEqual([200, '5', 0, 0]);
    for (const status of [204, 304]) {
      const { interims, ...answer } = await caller.ask({ path: `/api/${status}` });
      expect([answer.status, interims, answer.body.length, answer.reset]).toEqual([status, [103], 0, 0]);
    }
  });

  test('H11 a 205 that has content, which it must not, arrives without it', async () => {
    const scene = await start({ origin: () => 'HTTP/1.1 205 Reset Content\r\nX-Kept: 1\r\nContent-Length: 5\r\n\r\nhello' });
    const { status, body, reset, field } = await callerOf(scene).ask();
    expect([status, field('x-kept'), field('content-length'), body.length, reset]).toEqual([205, '1', undefined, 0, 0]);
  });

  test('S09 100 Continue is said once the body is wanted, and not before', async () => {
    const scene = await start({}, { authenticate: ['basic'] });
    const refused = await callerOf(scene).ask({ method: 'POST', body: 'hi', fields: ['expect', '100-continue'] });
    expect([refused.status, refused.interims]).toEqual([401, []]);
    const open = await start();
    const answer = await callerOf(open).ask({ method: 'POST', body: 'hi', fields: ['expect', '100-continue'] });
    expect([answer.status, answer.interims, answer.body.toString()]).toEqual([200, [100], 'ok']);
  });

  test('a refused token is renewed and the request sent once more, its body too', async () => {
    const token = inTurn(
      ...['first', 'second'].map((name) =>
        answerWith(200, [], JSON.stringify({ access_token: name, token_type: 'Bearer', expires_in: 60 })),
      ),
    );
    const scene = await start({
      token,
      origin: ({ head, body }) =>
        fieldLines(head, 'authorization')[0] === 'Bearer second' ? answerWith(200, [], body) : answerWith(401, []),
    });
    expect((await callerOf(scene).ask({ method: 'PUT', body: 'again' })).body.toString()).toBe('again');
  });

  test('U05 an answer that is cut short resets its stream, and never ends it; others go on', async () => {
    const scene = await start({
      origin: inTurn(
        cutShort('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf'),
        cutShort('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', 'reset'),
        () => answerWith(200, [], 'ok'),
      ),
    });
    const caller = callerOf(scene);
    for (let i = 0; i < 2; i += 1) {
      const answer = await caller.ask();
      expect([answer.status, answer.body.toString(), answer.reset]).toEqual([200, 'half', constants.NGHTTP2_INTERNAL_ERROR]);
      expect(await scene.logged('request')).toMatchObject({ status: 200, cut: 'upstream' });
    }
    expect((await caller.ask()).body.toString()).toBe('ok');
  });

  test('an answer that comes before the body is whole, and then the stream is reset without an error', async () => {
    const scene = await startEarly();
    const caller = callerOf(scene);
    const stream = caller.begin({ method: 'POST' }, true);
    const answered = answerOf(stream);
    stream.write('the beginning');
    const answer = await answered;
    expect([answer.status, answer.body.toString(), answer.reset]).toEqual([413, 'enough', constants.NGHTTP2_NO_ERROR]);
    expect((await caller.ask()).status).toBe(200);
  });

  test('a caller that leaves cancels its upstream request alone', async () => {
    const left = Promise.withResolvers<unknown>();
    const scene = await start({
      origin: ({ target }, connection) => {
        if (target !== '/slow') return answerWith(200, [], 'ok');
        void connection.closed.then(left.resolve);
        connection.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
        return undefined;
      },
    });
    const caller = callerOf(scene);
    const stream = caller.begin({ path: '/api/slow' });
    await new Promise((resolve) => stream.once('data', resolve));
    stream.close(constants.NGHTTP2_CANCEL);
    await left.promise;
    expect(await scene.logged('request')).toMatchObject({ cut: 'caller' });
    expect((await caller.ask()).status).toBe(200);
  });

  test.each([
    ['with an error', constants.NGHTTP2_CANCEL],
    ['as if nothing were wrong', constants.NGHTTP2_NO_ERROR],
  ])('H03 a body whose stream is reset %s is never whole for the upstream', async (_how, code) => {
    const scene = await start();
    const caller = callerOf(scene);
    const stream = caller.begin({ method: 'POST' }, true);
    stream.write('half');
    while (!scene.origin.received().includes('half')) await new Promise((resolve) => setImmediate(resolve));
    stream.close(code);
    expect(await scene.logged('request')).toMatchObject({ cut: 'caller' });
    expect([scene.origin.requests, scene.origin.received().includes('\r\n0\r\n')]).toEqual([[], false]);
    expect((await caller.ask()).status).toBe(200);
  });

  test('the body limit of a route holds', async () => {
    const scene = await start({ route: { maxBody: '10B' } });
    const caller = callerOf(scene);
    expect((await caller.ask({ method: 'POST', body: 'x'.repeat(11) })).status).toBe(413);
    expect((await caller.ask({ method: 'POST', body: 'x'.repeat(11), fields: ['content-length', '11'] })).status).toBe(413);
    expect((await caller.ask({ method: 'POST', body: 'x'.repeat(10) })).status).toBe(200);
  });

  async function startEarly(): Promise<Scene> {
    const { startScriptedServer } = await import('../helpers/scripted-server.ts');
    const said = new Set<ScriptedConnection>();
    const origin = await startScriptedServer({
      answer: () => answerWith(200, [], 'ok'),
      onHead: (head, connection) => {
        if (!head.startsWith('POST') || said.has(connection)) return undefined;
        said.add(connection);
        return answerWith(413, [], 'enough');
      },
    });
    closing.push(() => origin.close());
    return start({ route: { upstream: origin.url } });
  }
});

describe('who calls over HTTP/2', () => {
  const callers = async () => ({ app: { basic: { passwordHash: await secretHash() } } });

  test('B01 without the right credentials the answer is the same problem, and nobody is asked', async () => {
    const scene = await start({ route: { callers: ['app'] }, config: { callers: await callers() } }, { authenticate: ['basic'] });
    const caller = callerOf(scene);
    for (const fields of [[], ['authorization', basic('app:wrong')], ['authorization', basic('other:secret')]]) {
      const answer = await caller.ask({ fields });
      expect([answer.status, answer.field('www-authenticate'), answer.field('connection')]).toEqual([
        401,
        expect.stringContaining('Basic'),
        undefined,
      ]);
      expect(JSON.parse(answer.body.toString())).toMatchObject({ code: 'CALLER_UNAUTHENTICATED', requestId: expect.any(String) });
    }
    expect([scene.origin.requests.length, scene.authorizationServer.requests.length]).toEqual([0, 0]);
    expect((await caller.ask({ fields: ['authorization', basic('app:secret')] })).status).toBe(200);
    const { head } = scene.origin.requests[0] as { head: string };
    expect(fieldLines(head, 'authorization')).toEqual(['Bearer scripted-access-token']);
  });

  test('who brings credentials for a proxy is taken for a caller of one: the authority names the route', async () => {
    const scene = await start(
      { route: { callers: ['app'], host: 'api.acme.example', path: '/v1' }, config: { callers: await callers() } },
      { authenticate: ['basic'] },
    );
    const caller = callerOf(scene);
    const asked = { path: '/v1/x', authority: 'api.acme.example' };
    expect((await caller.ask({ ...asked, fields: ['proxy-authorization', basic('app:secret'), 'authorization', 'own'] })).status).toBe(200);
    const wrong = await caller.ask({ ...asked, fields: ['proxy-authorization', basic('app:wrong')] });
    expect([wrong.status, wrong.field('proxy-authenticate')]).toEqual([407, expect.stringContaining('Basic')]);
    const elsewhere = await caller.ask({ path: '/v1/x', authority: 'other.example', fields: ['proxy-authorization', basic('app:secret')] });
    expect(elsewhere.status).toBe(404);
    expect(scene.origin.requests.map(({ target }) => target)).toEqual(['/x']);
  });

  test('a web page of another site is refused as it is over HTTP/1.1', async () => {
    const scene = await start();
    const caller = callerOf(scene);
    expect((await caller.ask({ authority: 'evil.example' })).status).toBe(403);
    expect((await caller.ask({ authority: 'localhost', fields: ['origin', 'https://evil.example'] })).status).toBe(403);
    expect(scene.origin.requests).toEqual([]);
  });
});
