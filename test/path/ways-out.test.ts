/** Other ways to an upstream and to an authorization server than a plain connection: a Unix socket, an HTTP proxy. */

import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { route as routeSchema } from '../../src/config/schema/routes.ts';
import { probeUpstream } from '../../src/upstream/probe.ts';
import { type Scene, type SceneOptions, startScene } from '../helpers/broker.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';
import { type HttpProxy, startHttpProxy } from '../helpers/http-proxy.ts';
import { Http2Caller } from '../helpers/http2-client.ts';
import { routeTo, startHttp2Origin } from '../helpers/http2-origin.ts';
import { fieldLines } from '../helpers/message-framing.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const closing: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function start(options: SceneOptions): Promise<Scene> {
  const scene = await startScene(options);
  closing.push(() => scene.close());
  return scene;
}

async function proxyThat(refuse?: (head: string) => string | undefined): Promise<HttpProxy> {
  const proxy = await startHttpProxy(refuse);
  closing.push(() => proxy.close());
  return proxy;
}

/** An https server with the authority that its certificate is of. */
async function secureServer(answer: ScriptedServer['answer']): Promise<{ server: ScriptedServer; files: Record<string, string> }> {
  const authority = await createAuthority();
  const server = await startScriptedServer({ answer, tls: await authority.issueServer() });
  closing.push(() => server.close());
  return { server, files: { 'ca.pem': authority.certificate } };
}

const get = (scene: Scene, path = '/api/x') => request(`${scene.url()}${path}`);
const CREDENTIALS = { username: 'broker', password: { unsafeInline: 'proxy-secret' } };
const AUTHORIZATION = `Basic ${Buffer.from('broker:proxy-secret').toString('base64')}`;
const upstreamTls = { ca: { fromFile: 'ca.pem' } };

describe('an upstream on a Unix socket', () => {
  test('is reached there, and Host and path are those of "upstream"', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'token-broker-sock-'));
    closing.push(() => rm(folder, { recursive: true }));
    const path = join(folder, 'app.sock');
    const server = createServer((asked, answer) => {
      answer.end(JSON.stringify([asked.url, asked.headers.host, asked.headers.authorization]));
    });
    await new Promise<void>((resolve) => server.listen(path, resolve));
    closing.push(() => new Promise((resolve) => server.close(resolve)));
    // Not loopback, and yet no "unsafeHttp" is needed: nothing leaves the machine.
    const scene = await start({ route: { upstream: 'http://app.example/v1', upstreamSocket: path } });
    expect((await get(scene)).json()).toEqual(['/v1/x', 'app.example', 'Bearer scripted-access-token']);
    const route = routeSchema.parse({ path: '/', token: null, upstream: 'http://app.example', upstreamSocket: path });
    await expect(probeUpstream(route)).resolves.toBeUndefined();
  });

  test('where nobody listens is 502', async () => {
    const scene = await start({ route: { upstreamSocket: '/nowhere/app.sock' } });
    const answer = await get(scene);
    expect([answer.status, answer.field('proxy-status')]).toEqual([
      502,
      'token-broker; error=connection_refused; details="UPSTREAM_UNREACHABLE"',
    ]);
  });
});

describe('an HTTP proxy towards an upstream', () => {
  test('an https upstream is reached by CONNECT: the proxy sees its name and our credentials for the proxy, never the token', async () => {
    const proxy = await proxyThat();
    const sent = randomBytes(1024 * 1024);
    const { server, files } = await secureServer((asked) => answerWith(200, [], asked.body.length > 0 ? asked.body : 'ok'));
    const scene = await start({ files, route: { upstream: server.url, upstreamTls, proxy: { url: proxy.url, ...CREDENTIALS } } });
    expect((await get(scene)).text()).toBe('ok');
    const [head = ''] = proxy.heads;
    expect(head).toBe(
      `CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\nHost: 127.0.0.1:${server.port}\r\nProxy-Authorization: ${AUTHORIZATION}\r\n\r\n`,
    );
    expect((await request(`${scene.url()}/api/x`, { method: 'PUT', body: sent })).body.equals(sent)).toBe(true);
    // The connection was kept.
    expect(proxy.heads).toHaveLength(1);
    expect(server.requests[0]?.field('authorization')).toEqual(['Bearer scripted-access-token']);
    expect(server.requests[0]?.field('proxy-authorization')).toEqual([]);
    expect(proxy.seen().includes('scripted-access-token')).toBe(false);
  });

  test('the certificate is still that of the upstream: another one is 502', async () => {
    const proxy = await proxyThat();
    const { server, files } = await secureServer(() => answerWith(200, [], 'ok'));
    const route = { upstream: server.url, upstreamTls: { ...upstreamTls, serverName: 'elsewhere.example' }, proxy: { url: proxy.url } };
    const scene = await start({ files, route });
    expect((await get(scene)).field('proxy-status')).toContain('tls_certificate_error');
    expect(server.requests).toHaveLength(0);
  });

  test('an http upstream is reached by its whole URL', async () => {
    const proxy = await proxyThat();
    const scene = await start({ route: { proxy: { url: proxy.url, ...CREDENTIALS } } });
    expect((await get(scene, '/api/x?y=z')).text()).toBe('ok');
    const [head = ''] = proxy.heads;
    expect(head).toMatch(`GET ${scene.origin.url}/x?y=z HTTP/1.1\r\n`);
    expect(fieldLines(head, 'proxy-authorization')).toEqual([AUTHORIZATION]);
    expect(scene.origin.requests[0]?.target).toBe('/x?y=z');
  });

  const refusals: [string, string, string][] = [
    ['wants other credentials', 'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n', 'proxy_configuration_error'],
    ['forbids it', 'HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n', 'destination_unavailable'],
    ['cannot reach the upstream', 'HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n', 'destination_unavailable'],
    ['hangs up', '', 'destination_unavailable'],
    ['is no HTTP proxy', 'SSH-2.0-OpenSSH_9.2\r\n\r\n', 'destination_unavailable'],
    ['says more than it was asked', 'HTTP/1.1 200 OK\r\n\r\nhello', 'destination_unavailable'],
  ];
  test.each(refusals)('a proxy that %s is 502, and says so to the caller', async (_what, answer, type) => {
    const proxy = await proxyThat(() => answer);
    const scene = await start({ route: { upstream: 'https://api.acme.example', proxy: { url: proxy.url } } });
    const refused = await get(scene);
    expect([refused.status, refused.field('proxy-status')]).toEqual([502, `token-broker; error=${type}; details="UPSTREAM_UNREACHABLE"`]);
    expect((refused.json() as { detail: string }).detail).toContain('HTTP proxy');
    expect(refused.field('proxy-authenticate')).toBeUndefined();
  });

  test('a 407 to a whole URL is 502 too, and shows the caller no challenge', async () => {
    const [[, answer]] = refusals as [[string, string, string]];
    const proxy = await proxyThat(() => answer);
    const scene = await start({ route: { proxy: { url: proxy.url } } });
    const refused = await get(scene);
    expect([refused.status, refused.field('proxy-status')]).toEqual([
      502,
      'token-broker; error=proxy_configuration_error; details="UPSTREAM_UNREACHABLE"',
    ]);
  });

  test('a proxy that is not there is 502; one that never answers is 504', async () => {
    const proxy = await startHttpProxy();
    await proxy.close();
    const route = { upstream: 'https://api.acme.example', proxy: { url: proxy.url }, timeouts: { connect: '300ms' } };
    expect((await get(await start({ route }))).field('proxy-status')).toContain('error=destination_unavailable');
    const silent = await startScriptedServer({ answer: () => undefined });
    closing.push(() => silent.close());
    const waiting = await start({ route: { ...route, proxy: { url: silent.url } } });
    const late = await get(waiting);
    expect([late.status, late.field('proxy-status')]).toEqual([504, 'token-broker; error=connection_timeout; details="UPSTREAM_TIMEOUT"']);
    await silent.until((server) => server.openConnections() === 0);
  });
});

describe('an HTTP proxy towards an authorization server', () => {
  test('an https server is reached by CONNECT: the proxy sees no secret and no token', async () => {
    const proxy = await proxyThat();
    const { server, files } = await secureServer(() => tokenAnswer());
    const tls = { ca: { fromFile: 'ca.pem' } };
    const serverConfig = { tokenEndpoint: `${server.url}/token`, tls, proxy: { url: proxy.url, ...CREDENTIALS } };
    const scene = await start({ files, serverConfig });
    expect((await get(scene)).status).toBe(200);
    expect(proxy.heads[0]).toMatch(`CONNECT 127.0.0.1:${server.port} HTTP/1.1\r\n`);
    expect(fieldLines(proxy.heads[0] as string, 'proxy-authorization')).toEqual([AUTHORIZATION]);
    expect(server.requests[0]?.field('proxy-authorization')).toEqual([]);
    for (const secret of ['orders-secret', 'scripted-access-token', Buffer.from('orders-sidecar:orders-secret').toString('base64')])
      expect(proxy.seen().includes(secret)).toBe(false);
  });

  test('the certificate is still that of the server', async () => {
    const proxy = await proxyThat();
    const { server } = await secureServer(() => tokenAnswer());
    const other = await createAuthority('Other');
    const serverConfig = { tokenEndpoint: `${server.url}/token`, tls: { ca: { fromFile: 'other.pem' } }, proxy: { url: proxy.url } };
    const scene = await start({ files: { 'other.pem': other.certificate }, serverConfig });
    expect((await get(scene)).status).toBe(503);
    expect(server.requests).toHaveLength(0);
  });

  test('a proxy that refuses is a passing failure: 503, and nothing of it reaches the caller', async () => {
    const proxy = await proxyThat(
      () => 'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n',
    );
    const scene = await start({ serverConfig: { tokenEndpoint: 'https://login.acme.example/token', proxy: { url: proxy.url } } });
    const refused = await get(scene);
    expect([refused.status, (refused.json() as { code: string }).code]).toEqual([503, 'TOKEN_UNAVAILABLE']);
    expect(refused.field('proxy-authenticate')).toBeUndefined();
  });
});

describe('an upstream of HTTP/2 behind an HTTP proxy', () => {
  const size = (i: number) => [0, 1, 100, 16_384, 70_000][i % 5] as number;

  async function behindProxy(refuse?: (head: string) => string | undefined) {
    const origin = await startHttp2Origin(
      (stream, head) => {
        stream.respond({ ':status': 200, 'x-path': head[':path'] ?? '' }, { waitForTrailers: true });
        stream.once('wantTrailers', () => stream.sendTrailers({ 'x-number': head[':path']?.slice(1) ?? '' }));
        stream.end(Buffer.alloc(size(Number(head[':path']?.slice(1))), 'x'));
      },
      { secure: true },
    );
    closing.push(() => origin.close());
    const proxy = await proxyThat(refuse);
    const local = { address: '127.0.0.1:0', authenticate: ['anonymous'], protocols: ['h2c'] };
    const scene = await start({
      files: origin.files,
      config: { listeners: { local } },
      route: { ...routeTo(origin), proxy: { url: proxy.url, ...CREDENTIALS } },
    });
    const caller = new Http2Caller(scene.url());
    closing.push(async () => caller.close());
    return { origin, proxy, scene, caller };
  }

  test('1,000 answers arrive whole, each with its own trailers; the proxy sees its name and nothing of them', async () => {
    const { origin, proxy, caller } = await behindProxy();
    for (let round = 0; round < 20; round += 1) {
      const numbers = Array.from({ length: 50 }, (_, i) => 50 * round + i);
      const answers = await Promise.all(numbers.map((i) => caller.ask({ path: `/api/${i}` })));
      expect(answers.map(({ status, body, trailers, reset }) => [status, body.length, trailers, reset])).toEqual(
        numbers.map((i) => [200, size(i), ['x-number', String(i)], 0]),
      );
    }
    expect(origin.sessions).toHaveLength(1);
    expect(proxy.heads).toHaveLength(1);
    expect(proxy.heads[0]).toMatch(/^CONNECT 127\.0\.0\.1:\d+ HTTP\/1\.1\r\n/);
    expect(proxy.seen().includes('scripted-access-token')).toBe(false);
  });

  test('a body of 3 MiB arrives byte for byte, and a caller that leaves cancels its stream alone', async () => {
    const { caller } = await behindProxy();
    const [first] = await Promise.all([
      caller.ask({ method: 'PUT', path: '/api/3', body: randomBytes(3 * 1024 * 1024) }),
      caller.ask({ path: '/api/4' }),
    ]);
    expect([first.status, first.body.length]).toEqual([200, size(3)]);
    const left = caller.begin({ path: '/api/4' });
    left.close();
    expect((await caller.ask({ path: '/api/2' })).body.length).toBe(size(2));
  });

  test('a proxy that refuses, or is not there, is 502', async () => {
    const refusing = await behindProxy(() => 'HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic\r\n\r\n');
    const answer = await refusing.caller.ask({ path: '/api/1' });
    expect([answer.status, answer.field('proxy-status'), answer.field('proxy-authenticate')]).toEqual([
      502,
      expect.stringContaining('proxy_configuration_error'),
      undefined,
    ]);
    const gone = await behindProxy();
    await gone.proxy.close();
    expect((await gone.caller.ask({ path: '/api/1' })).status).toBe(502);
  });
});
