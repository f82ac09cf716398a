/** Tokens bound to a client certificate (RFC 8705 §3), from a real authorization server to an upstream that compares thumbprints. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import type { DemoCredentials } from '../../src/demo/client.ts';
import { startAuthorizationServer, type TestAuthorizationServer } from '../helpers/authorization-server.ts';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { createSelfSigned, type Identity, sharedAuthority } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';
import { type ResourceServer, startResourceServer } from '../helpers/resource-server.ts';

const URI = 'spiffe://acme.example/orders';

let authorizationServer: TestAuthorizationServer;
let upstream: ResourceServer;
let broker: TestBroker;
afterEach(() => Promise.all([broker.close(), authorizationServer.close(), upstream.close()]));

async function start(
  registered: DemoCredentials,
  token: Record<string, unknown>,
  upstreamTls: Record<string, unknown> = {},
): Promise<void> {
  const authority = await sharedAuthority();
  const client = { ...registered, clientId: 'orders', grants: ['client_credentials' as const], certificateBound: true };
  authorizationServer = await startAuthorizationServer({ clients: [client] });
  const { issuer, ca } = authorizationServer;
  upstream = await startResourceServer({
    issuer,
    ca,
    tls: { ...(await authority.issueServer()), ca: authority.certificate, requestCert: true, rejectUnauthorized: false },
  });
  broker = await startBroker({
    authorizationServers: { as: { issuer, tls: { ca } } },
    tokens: {
      orders: {
        authorizationServer: 'as',
        grant: 'client_credentials',
        clientId: 'orders',
        resource: 'https://orders.acme.example',
        renew: { eager: false },
        ...token,
      },
    },
    routes: { api: { path: '/api', callers: ['anonymous'], token: 'orders', upstream: upstream.url, upstreamTls: { ca, ...upstreamTls } } },
  });
}

const inline = (unsafeInline: string) => ({ unsafeInline });
const pair = ({ cert, key }: Identity) => ({ certificate: cert, key: inline(key) });
const call = () => request(`${broker.url()}/api/x`);
const faults = () => upstream.visits.map((visit) => visit.fault);

describe('a token bound to a client certificate', () => {
  test('T15 the one that the client proves itself with is shown to the upstream', async () => {
    const identity = await (await sharedAuthority()).issueClient({ uri: [URI] });
    await start(
      { clientAuthentication: 'tls_client_auth', uri: URI },
      { clientAuthentication: { method: 'tls_client_auth', ...pair(identity) }, certificateBound: true },
    );
    expect([(await call()).status, faults()]).toEqual([200, [undefined]]);
  });

  test.each([
    ['a secret', { clientAuthentication: 'client_secret_basic', secret: 'the-secret' }, { secret: inline('the-secret') }],
    ['nothing', { clientAuthentication: 'none' }, { method: 'none' }],
  ] as const)(
    'T15 for a client that proves itself by %s, one of its own binds the token',
    async (_what, registered, clientAuthentication) => {
      const identity = await createSelfSigned({ commonName: 'orders', usage: ['client'] });
      await start(registered, { clientAuthentication, certificateBound: pair(identity) });
      expect([(await call()).status, faults()]).toEqual([200, [undefined]]);
    },
  );

  test('T15 a bound token is refused with any other certificate', async () => {
    const [one, other] = [await createSelfSigned({ commonName: 'orders' }), await createSelfSigned({ commonName: 'orders' })];
    await start(
      { clientAuthentication: 'self_signed_tls_client_auth', certificate: one.cert },
      { clientAuthentication: { method: 'self_signed_tls_client_auth', ...pair(one) } },
      { cert: other.cert, key: inline(other.key) },
    );
    expect((await call()).status).toBe(401);
    expect(new Set(faults())).toEqual(new Set(['certificate']));
  });

  test('T15 a changed certificate has a new token obtained, which goes over new connections', async () => {
    const authority = await sharedAuthority();
    const [before, after] = [await authority.issueClient({ uri: [URI] }), await authority.issueClient({ uri: [URI] })];
    const folder = await mkdtemp(join(tmpdir(), 'token-broker-bound-'));
    const [crt, key] = [join(folder, 'crt'), join(folder, 'key')];
    const write = async (identity: Identity) => {
      await writeFile(crt, identity.cert, { mode: 0o600 });
      await writeFile(key, identity.key, { mode: 0o600 });
    };
    await write(before);
    const files = { certificate: { fromFile: crt }, key: { fromFile: key } };
    await start(
      { clientAuthentication: 'tls_client_auth', uri: URI },
      { clientAuthentication: { method: 'tls_client_auth', ...files }, certificateBound: true },
    );
    expect((await call()).status).toBe(200);
    await write(after);
    while (upstream.visits.at(-1)?.token === upstream.visits[0]?.token || upstream.visits.at(-1)?.fault !== undefined) await call();
    expect((await call()).status).toBe(200);
    expect(faults().at(-1)).toBeUndefined();
    await rm(folder, { recursive: true });
  });
});
