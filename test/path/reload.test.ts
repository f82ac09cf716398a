/** Files that change while the broker runs: certificates, revocation lists, secrets. */

import { afterEach, describe, expect, test } from '@jest/globals';
import type { BrokerStatus } from '../../src/admin/status.ts';
import { hashPassword } from '../../src/password-hash.ts';
import { CLIENTS, startAuthorizationServer } from '../helpers/authorization-server.ts';
import { type BrokerProcess, type ProcessOptions, startBrokerProcess } from '../helpers/broker-process.ts';
import { type Authority, createAuthority, type Identity } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';
import { openRaw } from '../helpers/raw-client.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const closing: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0).reverse()) await each.close();
});

function started<T extends { close(): Promise<unknown> }>(one: T): T {
  closing.push(one);
  return one;
}

async function broker(options: ProcessOptions): Promise<BrokerProcess> {
  return started(await startBrokerProcess(options));
}

/** Tries until it is so: files are looked at every two seconds. */
async function eventually(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 100));
}

async function mesh(authority: Authority, more: { tls?: object; files?: Record<string, string> } = {}): Promise<BrokerProcess> {
  const origin = started(await startScriptedServer({ answer: () => answerWith(200, [], 'ok') }));
  const server = await authority.issueServer({ commonName: 'first' });
  return broker({
    files: { 'server.crt': server.cert, 'server.key': server.key, 'ca.crt': authority.certificate, ...more.files },
    config: {
      listeners: {
        mesh: {
          address: '127.0.0.1:0',
          authenticate: ['mtls'],
          protocols: ['http/1.1', 'h2'],
          tls: { cert: { fromFile: 'server.crt' }, key: { fromFile: 'server.key' }, clientCa: { fromFile: 'ca.crt' }, ...more.tls },
        },
      },
      callers: { reports: { mtls: { dns: 'reports.acme.example' } } },
      routes: { api: { path: '/', callers: ['reports'], token: null, upstream: origin.url } },
    },
  });
}

const status = async (running: BrokerProcess, authority: Authority, client: Identity): Promise<number> =>
  (await request(`${running.url('mesh', 'https')}/x`, { tls: { ca: authority.certificate, cert: client.cert, key: client.key } })).status;

async function servedName(running: BrokerProcess, authority: Authority): Promise<string> {
  const connection = await openRaw(running.address('mesh'), { tls: { ca: authority.certificate } });
  const name = (connection.socket as import('node:tls').TLSSocket).getPeerCertificate().subject.CN;
  connection.socket.destroy();
  return String(name);
}

describe('files that change', () => {
  test('L06 L07 a new server certificate is used by new handshakes; a broken one changes nothing', async () => {
    const authority = await createAuthority();
    const running = await mesh(authority);
    const second = await authority.issueServer({ commonName: 'second' });
    await running.replace('server.crt', second.cert);
    await running.logged('changed TLS files cannot be used: the old ones stay');
    expect(await servedName(running, authority)).toBe('first');
    const unusable = async () => ((await request(`${running.url('admin')}/status`)).json() as BrokerStatus).unusableFiles;
    expect(await unusable()).toEqual([{ key: 'listeners.mesh.tls', otherKeys: [], at: expect.any(String) }]);
    const gauges = async () => (await request(`${running.url('admin')}/metrics`)).text().match(/^token_broker_unusable_files.*$/gm);
    expect(await gauges()).toEqual(['token_broker_unusable_files{file="listeners.mesh.tls"} 1']);
    await running.replace('server.key', second.key);
    await eventually(async () => (await servedName(running, authority)) === 'second');
    expect(await unusable()).toEqual([]);
    expect(await gauges()).toBeNull();
    const http2 = await openRaw(running.address('mesh'), { tls: { ca: authority.certificate, ALPNProtocols: ['h2'] } });
    expect((http2.socket as import('node:tls').TLSSocket).alpnProtocol).toBe('h2');
    http2.socket.destroy();
    await running.replace('server.crt', 'half a certif');
    await running.logged('a changed file cannot be used: the old content stays');
    expect(await servedName(running, authority)).toBe('second');
  });

  test('L06 another CA for client certificates counts for new handshakes, and open connections go on', async () => {
    const [first, second] = [await createAuthority(), await createAuthority('Second')];
    const running = await mesh(first);
    const before = await first.issueClient({ dns: ['reports.acme.example'] });
    const after = await second.issueClient({ dns: ['reports.acme.example'] });
    expect([await status(running, first, before), await status(running, first, after)]).toEqual([200, 403]);
    const kept = await openRaw(running.address('mesh'), { tls: { ca: first.certificate, cert: before.cert, key: before.key } });
    await running.replace('ca.crt', second.certificate);
    await eventually(async () => (await status(running, first, after)) === 200);
    expect(await status(running, first, before)).toBe(403);
    kept.write('GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(await kept.waitFor(/ok$/)).toMatch(/^HTTP\/1\.1 200 /);
    kept.socket.destroy();
  });

  test('B08 a revoked certificate is refused, and one revoked later is refused without a restart', async () => {
    const authority = await createAuthority();
    const [early, late] = await Promise.all([1, 2].map(() => authority.issueClient({ dns: ['reports.acme.example'] })));
    const crl = await authority.revocationList([early as Identity]);
    const running = await mesh(authority, { tls: { crl: { fromFile: 'clients.crl' } }, files: { 'clients.crl': crl } });
    expect(await status(running, authority, early as Identity)).toBe(403);
    expect(await status(running, authority, late as Identity)).toBe(200);
    await running.replace('clients.crl', await authority.revocationList([early as Identity, late as Identity]));
    await eventually(async () => (await status(running, authority, late as Identity)) === 403);
  });

  test("B08 an expired list refuses everybody, and an intermediate's list counts beside the root's", async () => {
    const authority = await createAuthority();
    const below = await authority.intermediate('Below');
    const client = await below.issueClient({ dns: ['reports.acme.example'] });
    const lists = [await authority.revocationList([]), await below.revocationList([])];
    const running = await mesh(authority, { tls: { crl: { fromFile: 'clients.crl' } }, files: { 'clients.crl': lists.join('\n') } });
    expect(await status(running, authority, client)).toBe(200);
    await running.replace('clients.crl', await authority.revocationList([], { expired: true }));
    await eventually(async () => (await status(running, authority, client)) === 403);
  });

  test('a changed password hash and a changed client secret are used without a restart', async () => {
    const authorizationServer = started(await startAuthorizationServer({ plain: true, lifetimeSeconds: 3600 }));
    const origin = started(await startScriptedServer({ answer: () => answerWith(200, [], 'ok') }));
    const running = await broker({
      files: { hash: await hashPassword('old'), secret: 'not the right one' },
      config: {
        listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic'] } },
        callers: { billing: { basic: { passwordHash: { fromFile: 'hash' } } } },
        authorizationServers: { acme: { issuer: authorizationServer.issuer } },
        tokens: {
          orders: {
            authorizationServer: 'acme',
            grant: 'client_credentials',
            clientId: CLIENTS.orders.clientId,
            clientAuthentication: { secret: { fromFile: 'secret' } },
          },
        },
        routes: { api: { path: '/', callers: ['billing'], token: 'orders', upstream: origin.url } },
      },
    });
    const call = async (password: string) => (await request(`${running.url()}/x`, { user: `billing:${password}` })).status;
    expect(await call('old')).toBe(502);
    await running.replace('secret', CLIENTS.orders.secret);
    // The refusal was remembered for ten seconds and more: the changed secret makes it forgotten.
    await eventually(async () => (await call('old')) === 200);
    await running.replace('hash', await hashPassword('new'));
    await eventually(async () => (await call('new')) === 200);
    expect(await call('old')).toBe(401);
  });
});
