/** A restart while the authorization server is down: the tokens of before serve on. */

import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN, startBroker } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';
import { STORE_KEY } from '../helpers/shared-store.ts';

let directory = '';
let authorizationServer: ScriptedServer;
let origin: ScriptedServer;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'token-broker-snapshot-'));
  authorizationServer = await startScriptedServer({ answer: ({ count }) => tokenAnswer({ access_token: `kept-token-${count}` }) });
  origin = await startScriptedServer({ answer: (message) => answerWith(200, [], String(message.field('authorization'))) });
});
afterEach(async () => {
  await Promise.all([authorizationServer.close(), origin.close()]);
  await rm(directory, { recursive: true, force: true });
});

const file = () => join(directory, 'tokens');

function start(more: { keys?: unknown[]; token?: Record<string, unknown>; snapshot?: string } = {}) {
  return startBroker({
    authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
    tokens: { orders: { ...ORDERS_TOKEN, ...more.token } },
    routes: { api: { path: '/api', callers: ['anonymous'], token: 'orders', upstream: origin.url } },
    store: { snapshot: more.snapshot ?? file(), encryption: { keys: more.keys ?? [STORE_KEY] } },
  });
}

/** One request through a broker that lives for it alone. */
async function once(...options: Parameters<typeof start>) {
  const broker = await start(...options);
  const answer = await request(`${broker.url()}/api/x`);
  await broker.close();
  return { status: answer.status, text: answer.text(), log: broker.log };
}

describe('a snapshot', () => {
  test('serves the unexpired token after a restart, although the authorization server is down', async () => {
    await once();
    authorizationServer.answer = () => answerWith(503, []);
    expect(await once()).toMatchObject({ status: 200, text: 'Bearer kept-token-1' });
    expect(await once()).toMatchObject({ status: 200, text: 'Bearer kept-token-1' });
  });

  test('costs no grant at a restart', async () => {
    await once();
    await once();
    expect(authorizationServer.requests).toHaveLength(1);
  });

  test('C15 a token that is purged right after a restart is served by no start', async () => {
    await once();
    const token = { renew: { eager: false } };
    const broker = await start({ token });
    const purge = await request(`${broker.url('admin')}/tokens/orders/purge`, { method: 'POST', fields: { 'Token-Broker-Admin': '1' } });
    expect(purge.status).toBe(200);
    expect((await request(`${broker.url()}/api/x`)).text()).toBe('Bearer kept-token-2');
    await broker.close();
    expect(await once({ token })).toMatchObject({ text: 'Bearer kept-token-2' });
  });

  test('C15 a purge is answered once the file has it, so that no crash brings the token back', async () => {
    await once();
    const broker = await start();
    await request(`${broker.url()}/api/x`);
    const purge = await request(`${broker.url('admin')}/tokens/orders/purge`, { method: 'POST', fields: { 'Token-Broker-Admin': '1' } });
    const kept = JSON.parse(await readFile(file(), 'utf8'));
    await broker.close();
    expect(purge.status).toBe(200);
    expect(kept).toEqual({ format: 1, entries: {} });
  });

  test('C11 shows no token, secret, client or name, to its owner alone', async () => {
    await once();
    expect(await readFile(file(), 'utf8')).not.toMatch(/kept-token|orders|sidecar|secret/);
    expect((await stat(file())).mode & 0o777).toBe(0o600);
  });

  test('is of no use to another token of the config, or without its key', async () => {
    await once();
    expect(await once({ token: { scope: 'more' } })).toMatchObject({ text: 'Bearer kept-token-2' });
    const other = { id: 'k2', key: { unsafeInline: Buffer.alloc(32, 9).toString('base64') } };
    expect(await once({ keys: [other] })).toMatchObject({ text: 'Bearer kept-token-3' });
  });

  test('is read with an older key, and written with the first', async () => {
    await once();
    const next = { id: 'k2', key: { unsafeInline: Buffer.alloc(32, 9).toString('base64') } };
    expect(await once({ keys: [next, STORE_KEY] })).toMatchObject({ text: 'Bearer kept-token-1' });
    expect(authorizationServer.requests).toHaveLength(1);
  });

  test.each([
    ['cut short', (text: string) => text.slice(0, 60)],
    ['with a byte changed', (text: string) => text.replace(/..("\}\})/, 'AA$1')],
    ['of another format', (text: string) => text.replace('"format":1', '"format":9')],
    ['empty', () => ''],
  ])('C07 C09 that is %s costs a grant, and is written anew', async (_what, spoil) => {
    await once();
    await writeFile(file(), spoil(await readFile(file(), 'utf8')));
    expect(await once()).toMatchObject({ status: 200, text: 'Bearer kept-token-2' });
    expect(await once()).toMatchObject({ status: 200, text: 'Bearer kept-token-2' });
  });

  test('that cannot be written is told of, and no request fails', async () => {
    const lost = await mkdtemp(join(tmpdir(), 'token-broker-snapshot-'));
    const broker = await start({ snapshot: join(lost, 'tokens') });
    await rm(lost, { recursive: true });
    expect((await request(`${broker.url()}/api/x`)).status).toBe(200);
    expect(await broker.logged('store snapshot not written: the one before stays')).toMatchObject({ level: 'error' });
    await broker.close();
  });
});
