/** The built command against a real authorization server over TLS: Basic, mTLS and anonymous listeners at once, both grants. */

import { execFile } from 'node:child_process';
import { copyFile, mkdir, mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { Agent } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hashSync } from 'bcryptjs';
import { kerberosModules, projectRoot } from '../../scripts/find-tool.mjs';
import { createStatusPage } from '../../src/admin/status-page/status-page.ts';
import { CLIENTS, startAuthorizationServer, type TestAuthorizationServer, USER } from '../helpers/authorization-server.ts';
import { secretHash } from '../helpers/broker.ts';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { buildBundle } from '../helpers/bundle.ts';
import { type Authority, createAuthority, createSelfSigned, type Identity, sharedAuthority } from '../helpers/certificates.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import { describeKerberos } from '../helpers/kerberos.ts';
import { keytabOf } from '../helpers/keytab.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

let authority: Authority;
let authorizationServer: TestAuthorizationServer;
let origin: ScriptedServer;
let broker: BrokerProcess;
let reports: Identity;

beforeAll(async () => {
  authority = await sharedAuthority();
  authorizationServer = await startAuthorizationServer();
  origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok'), tls: await authority.issueServer() });
  reports = await authority.issueClient({ uri: ['spiffe://acme.example/ns/reports/sa/nightly'] });
  const server = await authority.issueServer();
  await buildBundle();
  broker = await startBrokerProcess({
    built: true,
    env: { BILLING_PASSWORD_HASH: await secretHash(), LEDGER_SECRET: CLIENTS.ledger.secret, LEDGER_PASSWORD: USER.password },
    files: {
      'server.crt': server.cert,
      'server.key': server.key,
      'ca.crt': authority.certificate,
      'callers.htpasswd': `legacy:${hashSync('old password', 4)}\n`,
      'orders-secret': `${CLIENTS.orders.secret}\n`,
    },
    config: {
      listeners: {
        local: { address: '127.0.0.1:0', authenticate: ['basic'] },
        mesh: {
          address: '127.0.0.1:0',
          authenticate: ['mtls'],
          tls: { cert: { fromFile: 'server.crt' }, key: { fromFile: 'server.key' }, clientCa: { fromFile: 'ca.crt' } },
        },
        mixed: {
          address: '127.0.0.1:0',
          authenticate: ['mtls', 'basic', 'anonymous'],
          tls: { cert: { fromFile: 'server.crt' }, key: { fromFile: 'server.key' }, clientCa: { fromFile: 'ca.crt' } },
        },
        open: { address: '127.0.0.1:0', authenticate: ['anonymous'] },
      },
      callers: {
        billing: { basic: { passwordHash: { fromEnv: 'BILLING_PASSWORD_HASH' } } },
        reports: { mtls: { uri: 'spiffe://acme.example/ns/reports/sa/*' } },
      },
      callersFile: 'callers.htpasswd',
      authorizationServers: { acme: { issuer: authorizationServer.issuer, tls: { ca: { fromFile: 'ca.crt' } } } },
      tokens: {
        orders: {
          authorizationServer: 'acme',
          grant: 'client_credentials',
          clientId: CLIENTS.orders.clientId,
          clientAuthentication: { method: 'client_secret_basic', secret: { fromFile: 'orders-secret' } },
          scope: 'orders.read',
        },
        ledger: {
          authorizationServer: 'acme',
          grant: 'password',
          clientId: CLIENTS.ledger.clientId,
          clientAuthentication: { method: 'client_secret_post', secret: { fromEnv: 'LEDGER_SECRET' } },
          resourceOwner: { username: USER.username, password: { fromEnv: 'LEDGER_PASSWORD' } },
          scope: 'ledger.read',
        },
      },
      routes: {
        orders: {
          path: '/orders',
          callers: ['billing', 'legacy', 'anonymous'],
          token: 'orders',
          upstream: `${origin.url}/v1`,
          upstreamTls: { ca: { fromFile: 'ca.crt' } },
        },
        ledger: {
          path: '/ledger',
          callers: ['reports'],
          token: 'ledger',
          upstream: origin.url,
          upstreamTls: { ca: { fromFile: 'ca.crt' } },
        },
      },
    },
  });
}, 60_000);

afterAll(async () => {
  await broker?.close();
  await Promise.all([origin?.close(), authorizationServer?.close()]);
});

const mesh = (path: string, identity: Identity | undefined): Promise<Answer> =>
  request(broker.url('mesh', 'https') + path, { tls: { ca: authority.certificate, cert: identity?.cert, key: identity?.key } });

describe('token-broker start', () => {
  test('a Basic caller reaches its API with a client credentials token', async () => {
    const answer = await request(`${broker.url('local')}/orders/42?x=1`, { user: 'billing:secret' });
    expect([answer.status, answer.text()]).toEqual([200, 'ok']);
    const asked = origin.requests.at(-1);
    expect(asked?.target).toBe('/v1/42?x=1');
    expect(authorizationServer.issued).toContain(asked?.field('authorization')[0]?.replace('Bearer ', ''));
    expect(asked?.raw.toString()).not.toContain('YmlsbGluZzpzZWNyZXQ');
  });

  test('a caller of an htpasswd file is checked by bcrypt, in a thread that the bundle carries, until it is taken out of the file', async () => {
    const call = (password: string) => request(`${broker.url('local')}/orders/42`, { user: `legacy:${password}` });
    expect((await call('old password')).status).toBe(200);
    expect((await call('new password')).status).toBe(401);
    await broker.replace('callers.htpasswd', '');
    while ((await call('old password')).status === 200) await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await call('old password')).status).toBe(401);
  });

  test('an mTLS caller reaches its API with a password token', async () => {
    expect((await mesh('/ledger/1', reports)).status).toBe(200);
    expect(authorizationServer.requests.find((each) => each.clientId === CLIENTS.ledger.clientId)).toMatchObject({
      grant: 'password',
      clientAuthentication: 'client_secret_post',
      status: 200,
    });
  });

  test('an anonymous caller on loopback reaches what lists it', async () => {
    expect((await request(`${broker.url('open')}/orders`)).status).toBe(200);
  });

  test('one grant for each token, whoever calls', async () => {
    await Promise.all(Array.from({ length: 50 }, () => request(`${broker.url('local')}/orders/1`, { user: 'billing:secret' })));
    expect(authorizationServer.grants(CLIENTS.orders.clientId)).toBe(1);
    expect(authorizationServer.grants(CLIENTS.ledger.clientId)).toBe(1);
  });

  test('B10 a caller of one route may not use another, and no token is asked for it', async () => {
    const before = authorizationServer.requests.length;
    const answer = await request(`${broker.url('local')}/ledger/1`, { user: 'billing:secret' });
    expect([answer.status, (answer.json() as { code: string }).code]).toEqual([403, 'CALLER_FORBIDDEN']);
    expect((await mesh('/orders/1', reports)).status).toBe(403);
    expect(authorizationServer.requests).toHaveLength(before);
    const metrics = await (await fetch(`${broker.url('admin')}/metrics`)).text();
    expect(metrics).toMatch(/token_broker_requests_total\{listener="local",route="",status="403",code="CALLER_FORBIDDEN"\} 1/);
  });

  test.each([
    ['no credentials', {}],
    ['another scheme', { fields: { Authorization: 'Bearer x' } }],
    ['a wrong password', { user: 'billing:wrong' }],
    ['an unknown user', { user: 'nobody:secret' }],
  ])('B01 %s are 401 with a challenge, and nobody else hears of it', async (_what, options) => {
    const before = [origin.requests.length, authorizationServer.requests.length];
    const answer = await request(`${broker.url('local')}/orders/1`, options);
    expect(answer.status).toBe(401);
    expect(answer.field('www-authenticate')).toBe('Basic realm="token-broker", charset="UTF-8"');
    const { requestId, ...rest } = answer.json() as Record<string, unknown>;
    expect(requestId).toBeDefined();
    expect(rest).toEqual({
      type: 'urn:token-broker:error:CALLER_UNAUTHENTICATED',
      title: 'The caller is not authenticated',
      status: 401,
      code: 'CALLER_UNAUTHENTICATED',
      detail: 'the credentials are missing or wrong: send those of a configured caller',
    });
    expect([origin.requests.length, authorizationServer.requests.length]).toEqual(before);
  });

  test('B06 only a certificate that verifies, is in time and is meant for clients gives an identity', async () => {
    const uri = ['spiffe://acme.example/ns/reports/sa/nightly'];
    const other = await createAuthority('Other');
    const hidden = await (await authority.intermediate('Hidden')).issueClient({ uri });
    const bad: Record<string, Identity | undefined> = {
      none: undefined,
      'another authority': await other.issueClient({ uri }),
      expired: await authority.issueClient({ uri, validity: 'expired' }),
      'not yet valid': await authority.issueClient({ uri, validity: 'future' }),
      'self-signed': await createSelfSigned({ uri, usage: ['client'] }),
      'for servers only': await authority.issue({ uri, usage: ['server'] }),
      'chain missing': { ...hidden, cert: hidden.leaf },
    };
    const outcomes: Record<string, number> = {};
    for (const [what, identity] of Object.entries(bad)) outcomes[what] = (await mesh('/ledger/1', identity)).status;
    expect(outcomes).toEqual(Object.fromEntries(Object.keys(bad).map((what) => [what, 403])));
    // OpenSSL's own words for it, in lower case; the callers are told nothing of it.
    const reasons = broker.log().flatMap(({ msg, reason }) => (msg === 'certificate of a caller refused' ? [reason] : []));
    expect(reasons).toEqual(
      expect.arrayContaining([
        'unable_to_verify_leaf_signature',
        'cert_has_expired',
        'cert_not_yet_valid',
        'depth_zero_self_signed_cert',
        'invalid_purpose',
      ]),
    );
    const deep = await (await (await authority.intermediate('One')).intermediate('Two')).issueClient({ uri });
    expect((await mesh('/ledger/1', deep)).status).toBe(200);
  });

  test('B06 a weak key is refused', async () => {
    const weak = await authority.issueClient({ uri: ['spiffe://acme.example/ns/reports/sa/nightly'], key: 'rsa-1024' });
    const tls = { ca: authority.certificate, cert: weak.cert, key: weak.key, ciphers: 'DEFAULT@SECLEVEL=0' };
    const outcome = await request(`${broker.url('mesh', 'https')}/ledger/1`, { tls }).then(
      (answer) => answer.status,
      () => 'handshake refused',
    );
    expect([403, 'handshake refused']).toContain(outcome);
  });

  test('B06 a bad certificate is nobody, not anonymous and not whoever the password says', async () => {
    const bad = await (await createAuthority('Other')).issueClient({ uri: ['spiffe://acme.example/ns/reports/sa/nightly'] });
    for (const user of [undefined, 'billing:secret']) {
      const tls = { ca: authority.certificate, cert: bad.cert, key: bad.key };
      const answer = await request(`${broker.url('mixed', 'https')}/orders/1`, { tls, ...(user === undefined ? {} : { user }) });
      expect([403, 401]).toContain(answer.status);
    }
    const tls = { ca: authority.certificate };
    expect((await request(`${broker.url('mixed', 'https')}/orders/1`, { tls })).status).toBe(200);
    expect((await request(`${broker.url('mixed', 'https')}/orders/1`, { tls, user: 'billing:secret' })).status).toBe(200);
  });

  test('B07 the certificate of another workload is refused', async () => {
    for (const uri of [
      'spiffe://acme.example/ns/reports/sa/a/b',
      'spiffe://acme.example/ns/other/sa/x',
      'spiffe://evil.example/ns/reports/sa/x',
    ]) {
      expect((await mesh('/ledger/1', await authority.issueClient({ uri: [uri] }))).status).toBe(403);
    }
    expect((await mesh('/ledger/1', await authority.issueClient({ commonName: 'reports' }))).status).toBe(403);
  });

  test('the status page is inside of the bundle', async () => {
    const answer = await request(`${broker.url('admin')}/`);
    expect([answer.status, answer.text()]).toEqual([200, createStatusPage().text]);
  });

  test('an older Node is told on one line which one is needed', async () => {
    const bundle = join(projectRoot, 'dist/token-broker.js');
    const older = "data:text/javascript,Object.defineProperty(process, 'versions', { value: { node: '22.11.0' } })";
    const { code, stderr } = await promisify(execFile)(process.execPath, ['--import', older, bundle, '--version']).catch((error) => error);
    expect([code, stderr]).toEqual([2, 'token-broker needs Node 24 or later, and this is 22.11.0; put another first on the PATH\n']);
    // A name that Node 20 and 22 do not export would end them before that.
    expect(await readFile(bundle, 'utf8')).not.toMatch(/^import .*[{,] argon2\b.* from "node:crypto"/m);
  });

  test('a resumed TLS session keeps its identity', async () => {
    const agent = new Agent({ keepAlive: false, maxCachedSessions: 10 });
    for (let i = 0; i < 3; i += 1) {
      const tls = { ca: authority.certificate, cert: reports.cert, key: reports.key };
      expect((await request(`${broker.url('mesh', 'https')}/ledger/1`, { tls, agent })).status).toBe(200);
    }
    agent.destroy();
  });
});

describeKerberos()('the Kerberos library', () => {
  test('is found beside the bundle, where npm puts it', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'token-broker-beside-'));
    const home = join(folder, 'node_modules', 'token-broker-sidecar', 'dist');
    await mkdir(home, { recursive: true });
    await copyFile(join(projectRoot, 'dist', 'token-broker.js'), join(home, 'token-broker.js'));
    await symlink(join(kerberosModules, 'kerberos'), join(folder, 'node_modules', 'kerberos'));
    await writeFile(join(folder, 'http.keytab'), keytabOf('HTTP/localhost@EXAMPLE'), { mode: 0o600 });
    const config = {
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['negotiate'], negotiate: { keytab: 'http.keytab' } } },
      callers: { ann: { negotiate: { principal: 'ann@EXAMPLE' } } },
      routes: { orders: { path: '/', callers: ['ann'], token: null, upstream: 'https://orders.example' } },
    };
    await writeFile(join(folder, 'config.json'), JSON.stringify(config));
    const args = [join(home, 'token-broker.js'), 'check', '-c', join(folder, 'config.json')];
    const { stdout, stderr } = await promisify(execFile)(process.execPath, args);
    await rm(folder, { recursive: true });
    expect([stdout, stderr]).toEqual([expect.stringContaining('config.json: ok'), '']);
  });
});
