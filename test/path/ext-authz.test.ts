import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN, type Scene, secretHash, startBroker, startScene } from '../helpers/broker.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { ask, checkLines, DIALECTS, type Dialect } from '../helpers/ext-authz.ts';
import { Http2Caller } from '../helpers/http2-client.ts';
import { openRaw } from '../helpers/raw-client.ts';
import { inTurn, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';

const BASIC = `Authorization: Basic ${Buffer.from('billing:secret').toString('base64')}`;
const TOKEN = 'Bearer scripted-access-token';

const asking = (authenticate: string, more: object = {}) =>
  Object.fromEntries(
    DIALECTS.map((dialect) => [dialect, { address: '127.0.0.1:0', serve: 'ext-authz', dialect, authenticate: [authenticate], ...more }]),
  );

let scene: Scene;
beforeAll(async () => {
  const passwordHash = await secretHash();
  const api = { token: 'orders', upstream: 'https://api.acme.example/v1' };
  scene = await startScene({
    config: {
      listeners: { ...asking('basic'), local: { address: '127.0.0.1:0', authenticate: ['basic'] } },
      callers: { billing: { basic: { passwordHash } }, audit: { basic: { passwordHash } } },
      routes: {
        api: { ...api, path: '/api', callers: ['billing'] },
        audit: { ...api, path: '/audit', callers: ['audit'] },
        read: { ...api, path: '/read', methods: ['GET'], callers: ['*'] },
        named: { ...api, path: '/', host: 'named.example', callers: ['*'], token: null },
        keyed: {
          ...api,
          path: '/keyed',
          callers: ['*'],
          inject: { header: 'X-Api-Token', scheme: '' },
          headers: { 'X-Subscription': { unsafeInline: 'canary-key' } },
        },
        bare: { ...api, path: '/bare', callers: ['*'], token: null },
      },
    },
  });
});
afterAll(() => scene.close());

const check = (dialect: Dialect, original: Parameters<typeof checkLines>[1], more: readonly string[] = [BASIC]) =>
  ask(scene.address(dialect), [...checkLines(dialect, original), ...more]);

describe.each(DIALECTS)('a check of %s', (dialect) => {
  test('is answered with the token, and with how long it may be reused', async () => {
    const verdict = await check(dialect, { uri: '/api/x?q=1' });
    expect(verdict.status).toBe(200);
    expect(verdict.all('authorization')).toEqual([TOKEN]);
    expect(verdict.all('cache-control')).toEqual(['private, max-age=60']);
    expect(verdict.field('x-accel-expires')).toBe(dialect === 'nginx' ? '60' : undefined);
    expect(verdict.field('vary')).toMatch(/^Authorization\b/);
    expect([verdict.field('content-length'), verdict.body]).toEqual(['0', '']);
  });

  test('is about the method, the path and the host that the proxy was asked for', async () => {
    expect((await check(dialect, { uri: '/read', method: 'GET' })).status).toBe(200);
    const refused = await check(dialect, { uri: '/read', method: 'DELETE' });
    expect([refused.status, refused.field('allow'), refused.field('authorization')]).toEqual([405, 'GET, HEAD', undefined]);
    expect((await check(dialect, { uri: '/elsewhere' })).status).toBe(404);
    const named = await check(dialect, { uri: '/elsewhere', host: 'named.example:8443' });
    expect(named.status).toBe(200);
  });

  test('is refused where a field puts a method in the place of one that the route allows, and varies with such fields', async () => {
    const override = 'X-HTTP-Method-Override: DELETE';
    expect((await check(dialect, { uri: '/read', method: 'GET' }, [BASIC, override])).status).toBe(405);
    const verdict = await check(dialect, { uri: '/api/x', method: 'POST' }, [BASIC, override]);
    expect([verdict.status, verdict.field('vary')]).toEqual([200, expect.stringContaining('X-HTTP-Method-Override')]);
  });

  test('tells who is not known, and who may not, nothing of the token', async () => {
    const unknown = await check(dialect, {}, []);
    expect([unknown.status, unknown.field('www-authenticate')]).toEqual([401, 'Basic realm="token-broker", charset="UTF-8"']);
    expect(unknown.field('content-type')).toBe('application/problem+json');
    expect(unknown.field('proxy-status')).toBe('token-broker; error=http_request_denied; details="CALLER_UNAUTHENTICATED"');
    expect([unknown.field('cache-control'), unknown.field('authorization')]).toEqual(['no-store', undefined]);
    expect((await check(dialect, { uri: '/audit' })).status).toBe(403);
  });

  test('is answered with the field, the scheme and the fixed fields of the route', async () => {
    const verdict = await check(dialect, { uri: '/keyed' });
    expect(verdict.all('x-api-token')).toEqual(['scripted-access-token']);
    expect(verdict.all('x-subscription')).toEqual(['canary-key']);
    expect(verdict.field('authorization')).toBe(undefined);
    expect(verdict.field('x-envoy-auth-headers-to-remove')).toBe(dialect === 'envoy' ? 'authorization' : undefined);
  });

  test('is answered without a token where the route has none', async () => {
    const verdict = await check(dialect, { uri: '/bare' });
    expect([verdict.status, verdict.field('authorization')]).toEqual([200, undefined]);
    expect(verdict.field('x-envoy-auth-headers-to-remove')).toBe(dialect === 'envoy' ? 'authorization' : undefined);
  });

  test('with a body, or the promise of one, does not wait for it', async () => {
    const promised = await check(dialect, { method: 'POST' }, [BASIC, 'Content-Length: 5', 'Expect: 100-continue']);
    expect([promised.status, promised.field('authorization')]).toEqual([200, TOKEN]);
    const lines = [...checkLines(dialect, { method: 'POST' }), BASIC, 'Content-Length: 5'];
    expect((await ask(scene.address(dialect), lines, 'hello')).status).toBe(200);
  });

  test('appears in the log as the request that it is about, without the token', async () => {
    await check(dialect, { uri: `/read/${dialect}?secret=1`, method: 'HEAD' });
    const line = await scene.logged('request', ({ path }) => path === `/read/${dialect}`);
    expect(line).toMatchObject({ listener: dialect, caller: 'billing', route: 'read', method: 'HEAD', status: 200 });
    expect(line['token']).toMatch(/^[0-9a-f]{8}$/);
    expect(JSON.stringify(scene.log)).not.toContain('scripted-access-token');
  });

  test('leaves the connection for the next one, whatever methods check and request have', async () => {
    const connection = await openRaw(scene.address(dialect));
    // The check is a GET where the request is a HEAD; an error answers with a body.
    const lines = (uri: string) => `${[...checkLines(dialect, { uri, method: 'HEAD' }), BASIC].join('\r\n')}\r\n\r\n`;
    connection.write(lines('/elsewhere'));
    await connection.waitFor(dialect === 'envoy' ? /404[\s\S]*\r\n\r\n/ : /"ROUTE_NOT_FOUND"[\s\S]*\}\n/);
    connection.write(lines('/api'));
    const text = await connection.waitFor(/HTTP\/1\.1 200 [\s\S]*\r\n\r\n/);
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 404', 'HTTP/1.1 200']);
    connection.socket.destroy();
  });
});

test('a check of haproxy may itself be a HEAD: its answers have no body', async () => {
  const [, ...fields] = checkLines('haproxy', { uri: '/elsewhere' });
  const { status, body } = await ask(scene.address('haproxy'), ['HEAD / HTTP/1.1', ...fields, BASIC]);
  expect([status, body]).toEqual([404, '']);
});

test('an anonymous one of envoy keeps the credentials of the application where no token takes their place', async () => {
  const broker = await startBroker({
    listeners: { envoy: { address: '127.0.0.1:0', serve: 'ext-authz', dialect: 'envoy', authenticate: ['anonymous'] } },
    routes: { bare: { path: '/bare', callers: ['anonymous'], token: null, upstream: 'https://api.acme.example' } },
  });
  const lines = [...checkLines('envoy', { uri: '/bare' }), 'Authorization: Bearer of-the-application'];
  const verdict = await ask(broker.address('envoy'), lines);
  expect([verdict.status, verdict.field('x-envoy-auth-headers-to-remove')]).toEqual([200, undefined]);
  await broker.close();
});

describe('how long an answer may be reused', () => {
  const reuseOf = async (token: Record<string, unknown>, listener: object = {}) => {
    const { address, close } = await startScene({
      token: () => tokenAnswer(token),
      config: { listeners: asking('anonymous', listener) },
    });
    const verdict = await ask(address('nginx'), checkLines('nginx', {}));
    await close();
    return [verdict.status, verdict.field('x-accel-expires'), verdict.field('cache-control')];
  };

  test('is never beyond the hard margin of its token', async () => {
    // The margin is a tenth of the lifetime, and some of it has passed.
    const [status, seconds, control] = await reuseOf({ expires_in: 20 });
    expect([status, control]).toEqual([200, `private, max-age=${seconds}`]);
    expect(Number(seconds)).toBeLessThan(18);
    expect(Number(seconds)).toBeGreaterThan(0);
    expect(await reuseOf({ expires_in: 1 })).toEqual([200, '0', 'no-store']);
  });

  test('is at most what the listener says', async () => {
    expect(await reuseOf({}, { maxReuse: '1500ms' })).toEqual([200, '1', 'private, max-age=1']);
    expect(await reuseOf({}, { maxReuse: '0s' })).toEqual([200, '0', 'no-store']);
  });
});

describe('a token that cannot be had', () => {
  test('is no 200: the failure is the one that the proxy would show', async () => {
    const failing = await startScene({
      token: inTurn(oauthError('invalid_client', 401)),
      config: { listeners: asking('anonymous') },
    });
    for (const dialect of DIALECTS) {
      const verdict = await ask(failing.address(dialect), checkLines(dialect, {}));
      expect([verdict.status, verdict.field('authorization'), verdict.field('cache-control')]).toEqual([502, undefined, 'no-store']);
      expect(verdict.field('proxy-status')).toContain('details="TOKEN_REJECTED"');
      expect(JSON.parse(verdict.body)).toMatchObject({ code: 'TOKEN_REJECTED', status: 502 });
    }
    await failing.close();
  });

  test('for now is a 503 that says when to come again', async () => {
    const failing = await startScene({
      token: () => 'HTTP/1.1 503 Scripted\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n',
      config: { listeners: asking('anonymous') },
    });
    const verdict = await ask(failing.address('traefik'), checkLines('traefik', {}));
    expect([verdict.status, verdict.field('authorization')]).toEqual([503, undefined]);
    expect(Number(verdict.field('retry-after'))).toBeGreaterThan(0);
    await failing.close();
  }, 30_000);
});

test("a token made from the caller's own password is that caller's, and not to be reused", async () => {
  const own = await startScene({
    token: ({ body }) => tokenAnswer({ access_token: `for-${new URLSearchParams(body.toString()).get('username')}` }),
    tokenConfig: { ...ORDERS_TOKEN, grant: 'password', resourceOwner: 'caller' },
    route: { callers: ['basic-passthrough'] },
    config: { listeners: asking('basic-passthrough') },
  });
  for (const user of ['ann', 'bob']) {
    const credentials = `Authorization: Basic ${Buffer.from(`${user}:secret`).toString('base64')}`;
    const verdict = await ask(own.address('nginx'), [...checkLines('nginx', {}), credentials]);
    expect([verdict.field('authorization'), verdict.field('x-accel-expires'), verdict.field('cache-control')]).toEqual([
      `Bearer for-${user}`,
      '0',
      'no-store',
    ]);
  }
  await own.close();
});

test('one of envoy made from what the caller brings in a field has that taken off too', async () => {
  const own = await startScene({
    tokenConfig: { grant: 'token_exchange', subject: 'caller', subjectField: 'X-Subject' },
    config: { listeners: asking('anonymous') },
  });
  const verdict = await ask(own.address('envoy'), [...checkLines('envoy', {}), 'X-Subject: of-the-user', 'Authorization: Bearer own']);
  expect([verdict.status, verdict.all('authorization')]).toEqual([200, [TOKEN]]);
  expect([verdict.field('x-envoy-auth-headers-to-remove'), verdict.field('cache-control')]).toEqual(['X-Subject', 'no-store']);
  await own.close();
});

test('a thousand checks of a token that nobody has yet cost one grant', async () => {
  const cold = await startScene({ config: { listeners: asking('anonymous') } });
  const checks = Array.from({ length: 1_000 }, (_, i) => checkLines(DIALECTS[i % DIALECTS.length] as Dialect, { uri: `/api/${i}` }));
  const granted = await Promise.all(checks.map((lines, i) => ask(cold.address(DIALECTS[i % DIALECTS.length]), lines)));
  expect(new Set(granted.map((verdict) => `${verdict.status} ${verdict.field('authorization')}`))).toEqual(new Set([`200 ${TOKEN}`]));
  expect(cold.authorizationServer.requests).toHaveLength(1);
  await cold.close();
});

test('a proxy may ask over HTTP/2, and be known by its own certificate', async () => {
  const authority = await createAuthority();
  const server = await authority.issueServer();
  const gateway = await authority.issueClient({ dns: ['gateway.acme.example'] });
  const broker = await startScene({
    route: { callers: ['gateway'] },
    config: {
      listeners: {
        envoy: {
          address: '127.0.0.1:0',
          serve: 'ext-authz',
          dialect: 'envoy',
          authenticate: ['mtls'],
          protocols: ['h2'],
          tls: { cert: server.cert, key: { unsafeInline: server.key }, clientCa: authority.certificate },
        },
      },
      callers: { gateway: { mtls: { dns: 'gateway.acme.example' } } },
    },
  });
  const tls = { ca: authority.certificate };
  const known = new Http2Caller(broker.url('envoy'), { ...tls, cert: gateway.cert, key: gateway.key });
  const allowed = await known.ask({
    path: '/api/x',
    method: 'POST',
    authority: 'api.internal.example',
    fields: ['authorization', 'Bearer own'],
  });
  expect([allowed.status, allowed.field('authorization')]).toEqual([200, TOKEN]);
  expect((await known.ask({ path: '/none' })).status).toBe(404);
  const unknown = new Http2Caller(broker.url('envoy'), tls);
  expect((await unknown.ask({ path: '/api/x' })).status).toBe(403);
  known.close();
  unknown.close();
  await broker.close();
});
