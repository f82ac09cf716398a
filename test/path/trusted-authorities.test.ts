/** Whose certificates are trusted where the config names no "ca": Node reads that from its environment once, so each of these is a process. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const NOTHING_ADDED = { NODE_EXTRA_CA_CERTS: '', NODE_USE_SYSTEM_CA: '0' };

let folder: string;
/** Of the company: no list of the world has it. */
let companyCa: string;
let otherCa: string;
let authorizationServer: ScriptedServer;
let origin: ScriptedServer;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-authorities-'));
  const company = await createAuthority('Company');
  companyCa = join(folder, 'company.pem');
  await writeFile(companyCa, company.certificate);
  otherCa = (await createAuthority('Another')).certificate;
  const tls = await company.issueServer();
  authorizationServer = await startScriptedServer({ answer: () => tokenAnswer(), tls });
  origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok'), tls });
});
afterAll(async () => {
  await Promise.all([authorizationServer?.close(), origin?.close()]);
  await rm(folder, { recursive: true });
});

let broker: BrokerProcess | undefined;
afterEach(() => broker?.close());

/** The status with a token, and that of a route that needs none. */
async function statuses(env: Record<string, string>, ca?: string): Promise<readonly number[]> {
  const route = (token: string | null) => ({
    path: token === null ? '/open' : '/orders',
    callers: ['anonymous'],
    token,
    upstream: origin.url,
    ...(ca && { upstreamTls: { ca } }),
  });
  broker = await startBrokerProcess({
    env: { ...NOTHING_ADDED, ORDERS_SECRET: 'orders-secret', ...env },
    config: {
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
      authorizationServers: { company: { tokenEndpoint: `${authorizationServer.url}/token`, ...(ca && { tls: { ca } }) } },
      tokens: {
        orders: {
          authorizationServer: 'company',
          grant: 'client_credentials',
          clientId: 'orders-sidecar',
          clientAuthentication: { secret: { fromEnv: 'ORDERS_SECRET' } },
        },
      },
      routes: { orders: route('orders'), open: route(null) },
    },
  });
  const answers = [await request(`${broker.url()}/orders/1`), await request(`${broker.url()}/open/1`)];
  return answers.map(({ status }) => status);
}

describe('an authorization server and an upstream with certificates of a company', () => {
  test('are not trusted where nothing says so', async () => {
    expect(await statuses({})).toEqual([503, 502]);
    expect(await broker?.logged('token not granted')).toMatchObject({ reason: 'unable_to_verify_leaf_signature' });
  });

  test('are trusted where NODE_EXTRA_CA_CERTS names its authority', async () => {
    expect(await statuses({ NODE_EXTRA_CA_CERTS: companyCa })).toEqual([200, 200]);
  });

  test('are not trusted, whatever the environment adds, where "ca" names another authority', async () => {
    expect(await statuses({ NODE_EXTRA_CA_CERTS: companyCa, NODE_USE_SYSTEM_CA: '1', SSL_CERT_FILE: companyCa }, otherCa)).toEqual([
      503, 502,
    ]);
  });
});

// Elsewhere the store of the system is no file that a test could write.
const describeOnLinux = process.platform === 'linux' ? describe : describe.skip;
describeOnLinux('where the store of the system has the authority of the company', () => {
  test('it is trusted with NODE_USE_SYSTEM_CA=1', async () => {
    expect(await statuses({ NODE_USE_SYSTEM_CA: '1', SSL_CERT_FILE: companyCa })).toEqual([200, 200]);
  });

  test('it is not trusted without', async () => {
    expect(await statuses({ SSL_CERT_FILE: companyCa })).toEqual([503, 502]);
  });
});
