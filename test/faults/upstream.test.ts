/** What an upstream can do wrong, and a caller: the answer is right, a cut answer stays cut, nothing is left behind. */

import { once } from 'node:events';
import { createSecureServer } from 'node:http2';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, type SceneOptions, startScene } from '../helpers/broker.ts';
import { createAuthority, createSelfSigned } from '../helpers/certificates.ts';
import { type Answer, keepAlive, request } from '../helpers/http-client.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';
import { freePort } from '../helpers/redis.ts';
import { scaled } from '../helpers/scale.ts';
import { answerWith, cutShort, hang, hangUp, reset, tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

let scene: Scene;
afterEach(() => scene.close());

const get = (options: Parameters<typeof request>[1] = {}): Promise<Answer> => request(`${scene.url()}/api/x`, options);

async function expectRefusal(options: SceneOptions, status: number, code: string, type: string): Promise<void> {
  scene = await startScene(options);
  const answer = await get();
  expect([answer.status, (answer.json() as { code: string }).code]).toEqual([status, code]);
  expect(answer.field('proxy-status')).toBe(`token-broker; error=${type}; details="${code}"`);
  expect(await scene.logged('request')).toMatchObject({ status, code, stage: 'upstream', proxyError: type });
  expect(answer.text()).not.toMatch(/127\.0\.0\.1|scripted|ECONN|\.js/);
}

describe('an upstream that cannot be reached', () => {
  test('U01 refuses connections: 502', async () => {
    await expectRefusal({ route: { upstream: `http://127.0.0.1:${await freePort()}` } }, 502, 'UPSTREAM_UNREACHABLE', 'connection_refused');
  });

  test('U01 has no address: 502', async () => {
    await expectRefusal({ route: { upstream: 'https://no-such-host.invalid' } }, 502, 'UPSTREAM_UNREACHABLE', 'dns_error');
  });

  test('U01 is a black hole: 504 within the connect deadline', async () => {
    // It accepts and never speaks: the TLS handshake is part of connecting, and the same deadline bounds it.
    const silent = await startScriptedServer({ answer: hang });
    const route = { upstream: `https://127.0.0.1:${silent.port}`, timeouts: { connect: '500ms' } };
    await expectRefusal({ route }, 504, 'UPSTREAM_TIMEOUT', 'connection_timeout');
    await silent.close();
  });

  test('U01 presents certificates that cannot be verified: 502, never downgraded, and no request is sent', async () => {
    const authority = await createAuthority();
    const other = await createAuthority('Other');
    const identities = {
      'of another authority': await other.issueServer(),
      'for another name': await authority.issue({ dns: ['elsewhere.example'], usage: ['server'] }),
      expired: await authority.issueServer({ validity: 'expired' }),
      'self-signed': await createSelfSigned({ dns: ['localhost'], ip: ['127.0.0.1'] }),
    };
    for (const identity of Object.values(identities)) {
      const origin = await startScriptedServer({ answer: () => answerWith(200, []), tls: identity });
      await expectRefusal(
        { route: { upstream: origin.url, upstreamTls: { ca: authority.certificate } } },
        502,
        'UPSTREAM_UNREACHABLE',
        'tls_certificate_error',
      );
      expect(origin.requests).toHaveLength(0);
      await scene.close();
      await origin.close();
    }
    const origin = await startScriptedServer({ answer: () => answerWith(200, [], 'over TLS'), tls: await authority.issueServer() });
    scene = await startScene({ route: { upstream: origin.url, upstreamTls: { ca: authority.certificate } } });
    expect((await get()).text()).toBe('over TLS');
    await origin.close();
  });

  test('U01 refuses TLS with an alert, or speaks none: 502, told apart from a certificate that is not good', async () => {
    const authority = await createAuthority();
    const onlyHttp2 = createSecureServer({ ...(await authority.issueServer()), allowHTTP1: false }).listen(0, '127.0.0.1');
    await once(onlyHttp2, 'listening');
    const route = { upstreamTls: { ca: authority.certificate } };
    const port = (onlyHttp2.address() as AddressInfo).port;
    await expectRefusal({ route: { ...route, upstream: `https://127.0.0.1:${port}` } }, 502, 'UPSTREAM_UNREACHABLE', 'tls_alert_received');
    await scene.close();
    const plain = createServer((socket) =>
      socket
        .on('error', () => {})
        .resume()
        .end('HTTP/1.1 400 Bad Request\r\n\r\n'),
    ).listen(0, '127.0.0.1');
    await once(plain, 'listening');
    const notTls = `https://127.0.0.1:${(plain.address() as AddressInfo).port}`;
    await expectRefusal({ route: { ...route, upstream: notTls } }, 502, 'UPSTREAM_UNREACHABLE', 'tls_protocol_error');
    onlyHttp2.close();
    plain.close();
  });

  test('never answers: 504', async () => {
    await expectRefusal({ origin: hang, route: { timeouts: { response: '1s' } } }, 504, 'UPSTREAM_TIMEOUT', 'http_response_timeout');
  });

  test.each([
    ['closes', hangUp],
    ['resets', reset],
  ])('U02 %s without an answer: a GET is tried once more, then 502', async (_what, origin) => {
    await expectRefusal({ origin }, 502, 'UPSTREAM_RESET', 'connection_terminated');
    expect(scene.origin.requests).toHaveLength(2);
  });

  test('U02 closes without an answer to a POST: 502, and it is not sent twice', async () => {
    scene = await startScene({ origin: hangUp });
    expect((await get({ method: 'POST', body: 'order' })).status).toBe(502);
    expect(scene.origin.requests).toHaveLength(1);
  });
});

describe('an upstream that speaks something else', () => {
  test.each([
    ['a bad field line', 'HTTP/1.1 200 OK\r\nbad line\r\n\r\n'],
    ['two lengths', 'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'],
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.2\r\n'],
    ['a head without end', `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(100_000)}\r\n\r\n`],
  ])('H10 %s is 502, is not asked for twice, and the next request is fine', async (_what, bytes) => {
    let bad = true;
    scene = await startScene({ origin: () => (bad ? bytes : answerWith(200, [], 'ok')) });
    const answer = await get();
    expect([answer.status, (answer.json() as { code: string }).code]).toEqual([502, 'UPSTREAM_INVALID_RESPONSE']);
    expect(scene.origin.requests).toHaveLength(1);
    bad = false;
    expect((await get()).status).toBe(200);
  });
});

describe('an answer cut short', () => {
  const CUTS: [string, string, 'fin' | 'reset'][] = [
    ['a length not reached', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', 'fin'],
    ['a length not reached, then reset', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', 'reset'],
    ['a missing last chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n', 'fin'],
    ['a chunk broken off', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n64\r\nhalf', 'reset'],
  ];

  test.each(CUTS)('U02 %s reaches the caller as cut short', async (_what, bytes, ending) => {
    scene = await startScene({ origin: cutShort(bytes, ending) });
    const answer = await get();
    expect([answer.status, answer.complete]).toEqual([200, false]);
    expect(await scene.logged('request')).toMatchObject({ status: 200, cut: 'upstream' });
  });

  test('U02 it counts as a failure of the upstream, or nobody would be told of one that breaks off all its answers', async () => {
    scene = await startScene({ origin: cutShort('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf', 'fin') });
    await get();
    await scene.logged('request');
    expect(await scene.metrics()).toMatch(/^token_broker_requests_total\{.*status="200",code="UPSTREAM_RESET"\} 1$/m);
  });

  test('U02 a caller of HTTP/1.0, to whom the end of the connection is the end of the body, sees a reset', async () => {
    scene = await startScene({ origin: cutShort('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n') });
    const { closed } = await sendRaw(scene.address(), 'GET /api/x HTTP/1.0\r\nHost: localhost\r\n\r\n');
    expect(closed).toBe('reset');
  });

  test('U02 silence in the middle of a body ends it after the idle time', async () => {
    const silent = (_request: unknown, connection: { write(text: string): void }) =>
      void connection.write('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf');
    scene = await startScene({ origin: silent, route: { timeouts: { idle: '1s' } } });
    expect((await get()).complete).toBe(false);
  });
});

describe('kept connections', () => {
  test(
    'U05 an upstream that closes them at the moment of reuse loses no GET',
    async () => {
      // Answers one request on each connection, promises to keep it, and drops it when the next one arrives.
      const answered = new Set<number>();
      scene = await startScene({
        origin: (_request, connection) => {
          if (answered.has(connection.id)) return void connection.reset();
          answered.add(connection.id);
          return answerWith(200, ['Connection: keep-alive'], 'ok');
        },
      });
      const agent = keepAlive();
      for (let i = 0; i < scaled(300, 1_000); i += 1) expect((await get({ agent })).status).toBe(200);
      agent.destroy();
    },
    scaled(30_000, 120_000),
  );

  test('U05 the second try does not carry a token that has ended in the meantime', async () => {
    scene = await startScene({
      token: () => tokenAnswer({ expires_in: 1 }),
      origin: async (_asked, connection) => {
        await new Promise((resolve) => setTimeout(resolve, 1_100));
        connection.reset();
        return undefined;
      },
    });
    expect((await get()).status).toBe(502);
    expect(scene.origin.requests).toHaveLength(1);
  });

  test('U05 a POST on such a connection is answered with 502 rather than sent twice', async () => {
    const seen = new Map<string, number>();
    const answered = new Set<number>();
    scene = await startScene({
      origin: (asked, connection) => {
        const body = asked.body.toString();
        seen.set(body, (seen.get(body) ?? 0) + 1);
        if (answered.has(connection.id)) return void connection.reset();
        answered.add(connection.id);
        return answerWith(200, [], 'ok');
      },
    });
    const agent = keepAlive();
    const statuses = new Set<number>();
    for (let i = 0; i < scaled(100, 1_000); i += 1) statuses.add((await get({ agent, method: 'POST', body: `order ${i}` })).status);
    agent.destroy();
    expect(statuses).toEqual(new Set([200, 502]));
    expect(Math.max(...seen.values())).toBe(1);
  });
});

describe('a caller that goes away', () => {
  test.each(['end', 'reset'] as const)('S07 at every stage (%s): the upstream request is cancelled and nothing is left', async (way) => {
    scene = await startScene({
      origin: (asked, connection) => {
        if (asked.target.startsWith('/answering')) connection.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegun');
        return undefined;
      },
    });
    await get({ fields: { 'X-Warm': '1' }, signal: AbortSignal.timeout(300) }).catch(() => undefined);
    const stages: { bytes: string; ready: (connection: { waitFor(what: string): Promise<string> }, before: number) => Promise<unknown> }[] =
      [
        { bytes: '', ready: async () => undefined },
        { bytes: 'GET /api/x HT', ready: async () => undefined },
        {
          bytes: 'GET /api/waiting HTTP/1.1\r\nHost: localhost\r\n\r\n',
          ready: (_connection, before) => scene.origin.untilRequests(before + 1),
        },
        { bytes: 'GET /api/answering HTTP/1.1\r\nHost: localhost\r\n\r\n', ready: (connection) => connection.waitFor('begun') },
        {
          bytes: 'POST /api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf',
          ready: async () => new Promise((resolve) => setTimeout(resolve, 5)),
        },
      ];
    for (let round = 0; round < scaled(40, 1_000); round += 1) {
      for (const { bytes, ready } of stages) {
        const connection = await openRaw(scene.address());
        const before = scene.origin.requests.length;
        if (bytes !== '') connection.write(bytes);
        await ready(connection, before);
        if (way === 'reset') connection.reset();
        else connection.socket.destroy();
        await connection.closed;
      }
    }
    // The pool may keep a connection that was opened and never used; none that carried a request may stay.
    await scene.origin.until((server) => server.connections.every(({ socket }) => socket.destroyed || socket.bytesRead === 0));
    const deadline = Date.now() + 10_000;
    for (;;) {
      const metrics = await scene.metrics();
      const inFlight = /^token_broker_requests_in_flight (\d+)$/m.exec(metrics)?.[1];
      const open = /^token_broker_connections_open\{listener="local"\} (\d+)$/m.exec(metrics)?.[1];
      if (inFlight === '0' && open === '0') break;
      if (Date.now() > deadline) throw new Error(`left behind: ${inFlight} requests, ${open} connections`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect((await request(`${scene.url()}/nothing-here`)).status).toBe(404);
  });

  test('S07 in the middle of its own body, with the answer begun, is told apart from an upstream that breaks off', async () => {
    const early = await startScriptedServer({
      answer: () => undefined,
      onHead: () => 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nbegun',
    });
    scene = await startScene({ route: { token: null, upstream: early.url } });
    const connection = await openRaw(scene.address());
    connection.write('POST /api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\nhalf');
    await connection.waitFor('begun');
    connection.end();
    expect(await scene.logged('request')).toMatchObject({ status: 200, cut: 'caller' });
    await connection.closed;
    await early.close();
  });
});
