import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { CLIENTS, startAuthorizationServer, type TestAuthorizationServer } from '../helpers/authorization-server.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { startHttp2Origin } from '../helpers/http2-origin.ts';
import { freePort, startRedis } from '../helpers/redis.ts';
import { answerWith, jsonAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';
import { run } from './run.ts';

let authorizationServer: TestAuthorizationServer;
let origin: ScriptedServer;
let folder: string;

beforeEach(async () => {
  authorizationServer = await startAuthorizationServer();
  origin = await startScriptedServer({ answer: () => answerWith(200, []), tls: await (await createAuthority('Unknown')).issueServer() });
  folder = await mkdtemp(join(tmpdir(), 'token-broker-online-'));
});

afterEach(async () => {
  await Promise.all([authorizationServer.close(), origin.close(), rm(folder, { recursive: true })]);
});

async function check(secret: string, upstream: string, ...args: string[]) {
  const issuer = upstream === origin.url ? `${authorizationServer.issuer}/nowhere` : authorizationServer.issuer;
  const file = join(folder, 'sidecar.config.json');
  const config = {
    listeners: { local: { address: '127.0.0.1:8080', authenticate: ['anonymous'] } },
    callers: {
      batch: { jwt: { issuer: authorizationServer.issuer, audience: 'a', claims: { sub: 'x' }, tls: { ca: authorizationServer.ca } } },
      lost: { jwt: { issuer, audience: 'a', claims: { sub: 'y' }, tls: { ca: authorizationServer.ca } } },
    },
    authorizationServers: { acme: { issuer: authorizationServer.issuer, tls: { ca: authorizationServer.ca } } },
    tokens: {
      orders: {
        authorizationServer: 'acme',
        grant: 'client_credentials',
        clientId: CLIENTS.orders.clientId,
        clientAuthentication: { secret: { fromEnv: 'SECRET' } },
      },
      own: {
        authorizationServer: 'acme',
        grant: 'jwt_bearer',
        subject: 'caller',
      },
    },
    routes: { api: { path: '/', callers: ['anonymous'], token: 'orders', upstream } },
  };
  await writeFile(file, JSON.stringify(config));
  return run(['check', '-c', file, '--online', ...args], { env: { SECRET: secret } });
}

describe('token-broker check --online', () => {
  test('obtains each token for real and connects to each upstream: exit 0', async () => {
    const { stdout, code } = await check(CLIENTS.orders.secret, authorizationServer.issuer.replace('https:', 'http:'));
    expect(stdout).toMatch(/^ok {5}authorization server acme: metadata read \(\d+ms\)$/m);
    expect(stdout).toMatch(/^ok {5}clock of authorization server acme: as this machine's \(0ms\)$/m);
    expect(stdout).toMatch(/^ok {5}token orders: granted, lasts 3600s \(\d+ms\)$/m);
    expect(stdout).toMatch(/^ok {5}token own: skipped: it is made from what each caller brings \(0ms\)$/m);
    expect(stdout).toMatch(/^ok {5}upstream of route api: connected \(\d+ms\)$/m);
    expect(stdout).toMatch(/^ok {5}keys for caller batch: \d read \(\d+ms\)$/m);
    expect(code).toBe(0);
    expect(authorizationServer.grants()).toBe(1);
  });

  test('says what failed and why, without a secret: exit 1', async () => {
    const { stderr, stdout, code } = await check('a wrong secret', origin.url);
    expect(stderr).toMatch(/^FAILED token orders: TOKEN_REJECTED: the client is refused; .*\(invalid_client/m);
    expect(stderr).toMatch(/^FAILED upstream of route api: UPSTREAM_UNREACHABLE: the TLS identity of the upstream cannot be verified/m);
    expect(stderr).toMatch(/^FAILED keys for caller lost: CALLER_UNVERIFIABLE: .*\(http_404\)/m);
    expect(stderr + stdout).not.toContain('a wrong secret');
    expect(code).toBe(1);
    expect(origin.requests).toHaveLength(0);
  });

  test('gives the same as JSON', async () => {
    const { stdout, code } = await check(CLIENTS.orders.secret, `http://127.0.0.1:${await freePort()}`, '--format', 'json');
    const result = JSON.parse(stdout) as { valid: boolean; online: { what: string; ok: boolean }[] };
    expect([code, result.valid]).toEqual([1, true]);
    expect(result.online).toMatchObject([
      { what: 'token own', ok: true },
      { what: 'authorization server acme', ok: true },
      { what: 'token orders', ok: true },
      { what: 'upstream of route api', ok: false },
      { what: 'keys for caller batch', ok: true },
      { what: 'keys for caller lost', ok: true },
      { what: 'clock of authorization server acme', ok: true },
    ]);
  });

  test.each([
    [
      'an hour ahead',
      3_600,
      0,
      /^FAILED clock of authorization server acme: (?:1h|59m \d+s) ahead of this machine's: .*; set the clock that is wrong \(0ms\)$/m,
      1,
    ],
    ['two hours behind', -7_200, 0, /^FAILED clock of authorization server acme: 2h.* behind this machine's: /m, 1],
    ['half a minute ahead', 30, 0, /^ok {5}clock of authorization server acme: \d\ds ahead of this machine's \(0ms\)$/m, 0],
    ['as ours, with an answer that a cache has kept for an hour', -3_600, 3_600, /^ok {5}clock of authorization server acme: /m, 0],
  ])('tells of a clock that is %s', async (_title, ahead, age, line, exit) => {
    const lines = () => [`Date: ${new Date(Date.now() + ahead * 1000).toUTCString()}`, `Age: ${age}`];
    const server = await startScriptedServer({
      answer: () => jsonAnswer(200, { access_token: 'a', token_type: 'Bearer', expires_in: 60 }, lines()),
    });
    const file = join(folder, 'clock.json');
    const token = {
      authorizationServer: 'acme',
      grant: 'client_credentials',
      clientId: 'me',
      clientAuthentication: { secret: { fromEnv: 'SECRET' } },
    };
    const listeners = { local: { address: '127.0.0.1:8080', authenticate: ['anonymous'] } };
    const upstream = `http://127.0.0.1:${new URL(server.url).port}`;
    const routes = { api: { path: '/', callers: ['anonymous'], token: 'orders', upstream } };
    await writeFile(
      file,
      JSON.stringify({
        listeners,
        authorizationServers: { acme: { tokenEndpoint: `${server.url}/token` } },
        tokens: { orders: token },
        routes,
      }),
    );

    const { stdout, stderr, code } = await run(['check', '-c', file, '--online'], { env: { SECRET: 'secret' } });

    await server.close();
    expect(stdout + stderr).toMatch(line);
    expect(code).toBe(exit);
  });

  test('says which issuer the metadata names, where that is another', async () => {
    const server = await startScriptedServer({
      answer: () =>
        jsonAnswer(200, { issuer: 'https://login.acme.example/realms/\u00e4\nmain', token_endpoint: 'https://login.acme.example/' }),
    });
    const file = join(folder, 'issuer.json');
    const listeners = { local: { address: '127.0.0.1:8080', authenticate: ['anonymous'] } };
    const orders = { authorizationServer: 'acme', grant: 'client_credentials', clientId: 'me', clientAuthentication: { method: 'none' } };
    const config = { listeners, authorizationServers: { acme: { issuer: server.url } }, tokens: { orders } };
    await writeFile(file, JSON.stringify(config));

    const { stderr, code } = await run(['check', '-c', file, '--online'], {});

    await server.close();
    expect(stderr).toMatch(
      /^FAILED authorization server acme: the metadata is that of another issuer; .* \(discovery_issuer_mismatch, the issuer there is "https:\/\/login\.acme\.example\/realms\/ main"\)/m,
    );
    expect(code).toBe(1);
  });

  test('tells whether the store works with the rights that it has, and leaves nothing there', async () => {
    const redis = await startRedis();
    const listeners = { local: { address: '127.0.0.1:8080', authenticate: ['anonymous'] } };
    const said = async (more: object) => {
      const file = join(folder, 'store.json');
      await writeFile(file, JSON.stringify({ listeners, store: { redis: { ...redis.access, ...more }, unsafePlaintext: true } }));
      const { stdout, stderr, code } = await run(['check', '-c', file, '--online'], {});
      return [/^(?:ok {4}|FAILED) store: (.*) \(\d+ms\)$/m.exec(stdout + stderr)?.[1], code];
    };
    expect(await said({})).toEqual(['works', 0]);
    expect(await said({ password: { unsafeInline: 'wrong' } })).toEqual([
      'Redis wants other credentials; correct "username" and "password", or those in "url" (wrongpass)',
      1,
    ]);
    await redis.command('ACL', 'SETUSER', 'broker', '-eval');
    expect(await said({})).toEqual(['the user lacks a right; give it those that docs/operations.md names (noperm)', 1]);
    const seen = (await redis.command('KEYS', '*')) as string[];
    expect(seen.filter((name) => name !== 'token-broker:{check}:probe')).toEqual([]);
    await redis.close();
    expect(await said({ url: `redis://127.0.0.1:${await freePort()}` })).toEqual([
      'nothing listens there; correct host and port, or start it (econnrefused)',
      1,
    ]);
  }, 30_000);

  test('connects to an upstream that speaks HTTP/2 alone as the broker does', async () => {
    const upstream = await startHttp2Origin(() => {}, { secure: true, allowHTTP1: false } as object);
    const file = join(folder, 'h2.json');
    const listeners = { local: { address: '127.0.0.1:8080', authenticate: ['anonymous'] } };
    const ca = { unsafeInline: upstream.files['ca.pem'] };
    const route = { path: '/', callers: ['anonymous'], token: null, upstream: upstream.url, upstreamProtocol: 'h2', upstreamTls: { ca } };
    await writeFile(file, JSON.stringify({ listeners, routes: { api: route } }));
    const { stdout, stderr } = await run(['check', '-c', file, '--online'], {});
    await upstream.close();
    expect([stdout, stderr]).toEqual([expect.stringMatching(/^ok {5}upstream of route api: connected, certificate good until /m), '']);
  });

  test('says until when the certificate of an upstream is good, or that it ends soon', async () => {
    const authority = await createAuthority();
    const said = async (notAfterAt: number) => {
      const tls = await authority.issueServer({ validity: { notBeforeAt: Date.now() - 86_400_000 * 30, notAfterAt } });
      const upstream = await startScriptedServer({ answer: () => answerWith(200, []), tls });
      const file = join(folder, 'upstream.json');
      const listeners = { local: { address: '127.0.0.1:8080', authenticate: ['anonymous'] } };
      const route = {
        path: '/',
        callers: ['anonymous'],
        token: null,
        upstream: upstream.url,
        upstreamTls: { ca: { unsafeInline: authority.certificate } },
      };
      await writeFile(file, JSON.stringify({ listeners, routes: { api: route } }));
      const { stdout } = await run(['check', '-c', file, '--online'], {});
      await upstream.close();
      return /upstream of route api: (.*) \(/.exec(stdout)?.[1];
    };
    expect(await said(Date.parse('2099-01-02T12:00:00Z'))).toBe('connected, certificate good until 2099-01-02');
    const tomorrow = new Date(Date.now() + 86_400_000);
    expect(await said(tomorrow.getTime())).toBe(`connected, but its certificate ends on ${tomorrow.toISOString().slice(0, 10)}`);
  });
});
