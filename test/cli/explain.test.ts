import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN, secretHash, startBroker } from '../helpers/broker.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';
import { run } from './run.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-explain-'));
});
afterEach(() => rm(folder, { recursive: true }));

async function configOf(more: Record<string, unknown> = {}): Promise<Record<string, unknown>> {
  return {
    listeners: {
      local: { address: '127.0.0.1:8080', authenticate: ['basic'] },
      apps: { address: '127.0.0.1:8081', authenticate: ['anonymous'] },
    },
    callers: {
      billing: { basic: { passwordHash: await secretHash() } },
      audit: { basic: { passwordHash: await secretHash() } },
      mesh: { mtls: { uri: 'spiffe://acme/mesh' } },
    },
    authorizationServers: { as: { tokenEndpoint: 'http://127.0.0.1:1/token' } },
    tokens: { orders: ORDERS_TOKEN },
    routes: {
      orders: { path: '/orders', callers: ['billing'], token: 'orders', upstream: 'https://api.acme.example/v1' },
      audited: {
        path: '/orders/audit',
        methods: ['GET'],
        callers: ['audit'],
        token: null,
        upstream: 'https://audit.acme.example',
        via: false,
      },
      open: {
        path: '/open',
        callers: ['anonymous'],
        token: 'orders',
        upstream: 'http://[::1]:9000',
        inject: { header: 'X-Api-Key', scheme: '' },
        headers: { 'X-Tenant': { unsafeInline: 'canary-tenant' } },
      },
      named: { path: '/', host: 'api.other.example', callers: ['anonymous'], token: null, upstream: 'https://api.other.example' },
    },
    ...more,
  };
}

async function explain(...args: string[]) {
  const file = join(folder, 'sidecar.config.json');
  await writeFile(file, JSON.stringify(await configOf()));
  return run(['explain', ...args, '-c', file]);
}

describe('token-broker explain', () => {
  test('says for each stage what a request would get', async () => {
    const { code, stdout, stderr } = await explain('POST', 'http://localhost:8080/orders/42?x=1', '--caller', 'billing');
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout.split('\n')).toEqual([
      'listener  local (127.0.0.1:8080, accepts basic)',
      'caller    billing, by basic',
      'route     orders: the longest path that fits and is open to the caller (path "/orders"; callers billing)',
      'token     orders: client_credentials at authorization server "as"',
      'upstream  POST https://api.acme.example/v1/42?x=1',
      expect.stringMatching(/^fields {4}host: api\.acme\.example, x-request-id, .*, Authorization: Bearer <token orders>; /),
      '',
    ]);
  });

  test('without --caller takes the first who gets through, and by the path alone any listener', async () => {
    expect((await explain('GET', '/orders/audit')).stdout).toMatch(/^listener {2}local .*\ncaller {4}billing, by basic\nroute {5}orders: /);
    expect((await explain('GET', '/open/x')).stdout).toMatch(/^listener {2}apps .*\ncaller {4}anonymous\nroute {5}open: /);
  });

  test('by the path alone asks at a listener that accepts certain hosts, too', async () => {
    const [file, config] = [join(folder, 'hosts.config.json'), await configOf()];
    Object.assign((config['listeners'] as { local: object }).local, { hosts: ['sidecar.local', 'other.local'] });
    await writeFile(file, JSON.stringify(config));
    expect((await run(['explain', 'GET', '/orders/1', '-c', file])).stdout).toMatch(/^listener {2}local .*\ncaller {4}billing, by basic\n/);
    const { code, stderr } = await run(['explain', 'GET', 'http://localhost:8080/orders/1', '-c', file]);
    expect([code, stderr]).toEqual([1, expect.stringContaining('CALLER_FORBIDDEN')]);
  });

  test('takes the narrower route for who may use it, and adds no Via and no token where there is none', async () => {
    const { stdout } = await explain('GET', '/orders/audit/9', '--caller', 'audit');
    expect(stdout).toContain(
      'route     audited: the longest path that fits and is open to the caller (path "/orders/audit"; methods GET; callers audit)\n',
    );
    expect(stdout).toContain('token     none\n');
    expect(stdout).toMatch(/^fields {4}host: audit\.acme\.example, x-request-id, traceparent; /m);
  });

  test('takes a URL of somebody else for one that a forward proxy is sent', async () => {
    const { code, stdout } = await explain('GET', 'http://api.other.example/a?b');
    expect(code).toBe(0);
    expect(stdout).toMatch(
      /^listener {2}apps .*\ncaller {4}anonymous\nroute {5}named: .*host "api\.other\.example".*\n.*\nupstream {2}GET https:\/\/api\.other\.example\/a\?b\n/,
    );
  });

  test('says first that no listener has the port of a URL, where nothing takes it as it would come to a forward proxy', async () => {
    const { code, stderr } = await explain('GET', 'http://127.0.0.1:8085/orders/42', '--caller', 'billing');
    expect([code, stderr.split('\n')[0]]).toEqual([
      1,
      'no listener has port 8085: taken for what a forward proxy is sent; listeners are at 127.0.0.1:8080, 127.0.0.1:8081',
    ]);
  });

  test('says that a listener speaks plain http, or TLS, where the URL says otherwise, and what to write', async () => {
    const { cert, key } = await (await createAuthority()).issueServer();
    const tls = { cert: { unsafeInline: cert }, key: { unsafeInline: key } };
    const config = await configOf();
    Object.assign(config['listeners'] as object, { secure: { address: '127.0.0.1:8443', authenticate: ['basic'], tls } });
    const file = join(folder, 'tls.config.json');
    await writeFile(file, JSON.stringify(config));
    const why = async (url: string) => {
      const { code, stdout, stderr } = await run(['explain', 'GET', url, '-c', file]);
      return [code, stdout, stderr];
    };
    expect(await why('https://localhost:8080/orders/1?a')).toEqual([
      1,
      '',
      'listener local: speaks plain http, and the URL says https; write http://localhost:8080/orders/1?a, or give it a certificate in "listeners.local.tls"\n',
    ]);
    expect(await why('HTTP://localhost:8443/orders/1')).toEqual([
      1,
      '',
      'listener secure: speaks TLS, and the URL says http; write https://localhost:8443/orders/1\n',
    ]);
    expect((await run(['explain', 'GET', 'https://localhost:8443/orders/1', '-c', file])).stdout).toMatch(/^listener {2}secure /);
  });

  test('names fixed fields, and shows no secret of theirs', async () => {
    const { stdout } = await explain('GET', '/open');
    expect(stdout).toContain(', X-Tenant, X-Api-Key: <token orders>; ');
    expect(stdout).toContain('upstream  GET http://[::1]:9000/\n');
    expect(stdout).not.toContain('canary');
  });

  test('says which token is handed out, and to whom', async () => {
    const [asked, file] = ['http://localhost:8082/tokens/orders', join(folder, 'endpoint.config.json')];
    const config = await configOf({
      listeners: { tokens: { address: '127.0.0.1:8082', serve: 'token-endpoint', authenticate: ['basic'] } },
      tokens: { orders: { ...ORDERS_TOKEN, scope: 'orders.read', callers: ['audit'] } },
      routes: {},
    });
    await writeFile(file, JSON.stringify(config));
    const { code, stdout } = await run(['explain', 'POST', asked, '-c', file]);
    expect([code, stdout.split('\n')]).toEqual([
      0,
      [
        'listener  tokens (127.0.0.1:8082, accepts basic)',
        'caller    audit, by basic',
        'token     orders: client_credentials at authorization server "as" (callers audit)',
        'answer    the token itself; what is asked for as "scope" must be within "orders.read"',
        '',
      ],
    ]);
    const why = async (...args: string[]) => (await run(['explain', ...args, '-c', file])).stderr;
    expect(await why('POST', asked, '--caller', 'billing')).toMatch(/^listener tokens, caller billing: CALLER_FORBIDDEN: /);
    expect(await why('PUT', asked)).toMatch(/^listener tokens, caller billing: ROUTE_METHOD_NOT_ALLOWED: /);
    expect(await why('GET', '/orders/1')).toMatch(/^listener tokens, caller billing: ROUTE_NOT_FOUND: /);
    const described = await run([
      'explain',
      'GET',
      'http://localhost:8082/.well-known/oauth-authorization-server/tokens/orders',
      '-c',
      file,
    ]);
    expect(described.stdout).toMatch(/^answer {4}metadata of the issuer http:\/\/localhost:8082\/tokens\/orders, /m);
  });

  test('says what a proxy that asks is given, and leaves the rest to that', async () => {
    const config = await configOf();
    const listeners = {
      authz: { address: '127.0.0.1:8090', serve: 'ext-authz', dialect: 'nginx', authenticate: ['anonymous'], hosts: ['authz.local'] },
    };
    const file = join(folder, 'authz.config.json');
    await writeFile(file, JSON.stringify({ ...config, listeners }));
    const { stdout } = await run(['explain', 'GET', 'https://shop.example/open/x?1', '-c', file]);
    expect((await run(['explain', 'GET', '/open/x?1', '-c', file])).stdout).toBe(stdout);
    expect(stdout.split('\n')).toEqual([
      'listener  authz (127.0.0.1:8090, accepts anonymous)',
      'caller    anonymous',
      'route     open: the longest path that fits and is open to the caller (path "/open"; callers anonymous)',
      'token     orders: client_credentials at authorization server "as"',
      'upstream  GET http://[::1]:9000/x?1, if nginx sends it there',
      'fields    X-Tenant, X-Api-Key: <token orders>; for nginx to put on the request',
      '',
    ]);
  });

  test.each([
    ['a path of no route', ['GET', 'http://localhost:8080/none'], 'listener local, caller billing: ROUTE_NOT_FOUND: '],
    ['a caller that may not', ['GET', '/orders/1', '--caller', 'audit'], 'listener local, caller audit: CALLER_FORBIDDEN: '],
    [
      'a method that may not be',
      ['PUT', '/orders/audit/1', '--caller', 'audit'],
      'listener local, caller audit: ROUTE_METHOD_NOT_ALLOWED: ',
    ],
    ['a request that is refused', ['TRACE', '/orders/1'], 'listener local, caller billing: REQUEST_INVALID: TRACE is not allowed'],
    [
      'a dot segment',
      ['GET', '/open/../orders'],
      'listener local, caller billing: REQUEST_INVALID: the request target holds a dot segment',
    ],
    [
      'nobody of that name',
      ['GET', '/open', '--caller', 'constructor'],
      'listener local: there is no caller "constructor" in the config; it has: billing, ',
    ],
    [
      'who cannot be known',
      ['GET', '/open', '--caller', 'mesh'],
      'listener local: caller "mesh" cannot be known by what it accepts (basic)',
    ],
    ['no URL', ['GET', 'orders'], '"orders" is no URL and no path; write http://HOST:PORT/PATH, or /PATH'],
  ])('says why there is none for %s, with 1', async (_what, args, first) => {
    const { code, stdout, stderr } = await explain(...args);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr.startsWith(first)).toBe(true);
  });

  test('says what the broker does', async () => {
    const origin = await startScriptedServer({ answer: () => answerWith(200, []) });
    const server = await startScriptedServer({ answer: () => tokenAnswer({ access_token: 'sent' }) });
    const config = await configOf({
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic'] } },
      authorizationServers: { as: { tokenEndpoint: `${server.url}/token` } },
      routes: {
        api: {
          path: '/api',
          callers: ['billing'],
          token: 'orders',
          upstream: `${origin.url}/v2`,
          forwarded: true,
          headers: { 'X-Fixed': { unsafeInline: 'f' } },
        },
      },
    });
    const broker = await startBroker(config);
    const file = join(folder, 'live.config.json');
    await writeFile(file, JSON.stringify(config));
    await request(`${broker.url()}/api/a%20b?c`, { user: 'billing:secret' });
    const { stdout } = await run(['explain', 'GET', '/api/a%20b?c', '-c', file]);
    const [sent] = origin.requests;
    expect(stdout).toContain(`upstream  GET ${origin.url}${sent?.target}\n`);
    const listed = /^fields {4}(.*); /m
      .exec(stdout)?.[1]
      ?.split(', ')
      .map((text) => text.split(':')[0]?.toLowerCase());
    const names = sent?.head
      .split('\r\n')
      .slice(1)
      .map((line) => line.split(':')[0]?.toLowerCase());
    expect(listed).toEqual(names?.filter((name) => name !== 'connection' && name !== ''));
    await Promise.all([broker.close(), origin.close(), server.close()]);
  });

  test('says no where nobody known in that way can bring what the token is made from', async () => {
    const file = join(folder, 'sidecar.config.json');
    const config = await configOf({
      listeners: {
        local: { address: '127.0.0.1:8080', authenticate: ['basic'] },
        passed: { address: '127.0.0.1:8081', authenticate: ['basic-passthrough'] },
      },
      tokens: { own: { ...ORDERS_TOKEN, grant: 'password', resourceOwner: 'caller' } },
      routes: { own: { path: '/own', callers: ['basic-passthrough', 'billing'], token: 'own', upstream: 'https://api.acme.example' } },
    });
    await writeFile(file, JSON.stringify(config));

    const refused = await run(['explain', 'GET', 'http://localhost:8080/own', '-c', file, '--caller', 'billing']);
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain(
      'listener local, caller billing: CALLER_UNAUTHENTICATED: route "own" has a token that is made from what the caller brings in "Authorization: Basic", which nobody known in this way can bring here\n',
    );
    const taken = await run(['explain', 'GET', 'http://localhost:8081/own', '-c', file]);
    expect([taken.code, taken.stderr]).toEqual([0, '']);
    expect(taken.stdout).toContain('caller    basic-passthrough');
  });

  test('knows the callers of an htpasswd file, and those with a JWT', async () => {
    const file = join(folder, 'callers.config.json');
    const config = await configOf();
    const jwt = { issuer: 'https://idp.example', audience: 'a', claims: { sub: 'x' } };
    await writeFile(join(folder, 'callers.htpasswd'), 'ann:$2y$10$N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy\n');
    const route = { path: '/new', callers: ['ann', 'batch'], token: null, upstream: 'https://new.acme.example' };
    const listeners = { local: { address: '127.0.0.1:8080', authenticate: ['basic', 'jwt'] } };
    const callers = { ...(config['callers'] as object), batch: { jwt } };
    await writeFile(file, JSON.stringify({ listeners, callers, callersFile: 'callers.htpasswd', routes: { new: route } }));
    for (const [name, way] of [
      ['ann', 'basic'],
      ['batch', 'jwt'],
    ] as const) {
      const { stdout, code } = await run(['explain', '-c', file, 'GET', '/new', '--caller', name]);
      expect([code, stdout]).toEqual([0, expect.stringMatching(new RegExp(`${name}.*${way}`))]);
    }
    expect((await run(['explain', '-c', file, 'GET', '/new', '--caller', 'bob'])).stderr).toContain('no caller "bob"');
  });
});
