import { generateKeyPairSync } from 'node:crypto';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { parse } from 'jsonc-parser';
import { pino } from 'pino';
import { Broker } from '../../src/broker.ts';
import { loadConfig } from '../../src/config/load.ts';
import { type Config, config as schema } from '../../src/config/schema/root.ts';
import { parseAddress } from '../../src/config/schema/values.ts';
import type { TokenRequest } from '../../src/demo/authorization-server.ts';
import { type DemoEvent, startDemo } from '../../src/demo/demo.ts';
import { describeWorkedCall, makeWorkedCall } from '../../src/demo/worked-call.ts';
import { openRaw } from '../helpers/raw-client.ts';
import { freePort } from '../helpers/redis.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const EXAMPLE = fileURLToPath(new URL('../../sidecar.config.json', import.meta.url));
const SECRETS = ['demo-secret-of-orders', 'demo-secret-of-ledger', 'demo-password-of-bookkeeper'];

let directory: string;
let text: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'token-broker-demo-'));
  text = await readFile(EXAMPLE, 'utf8');
});
afterAll(() => rm(directory, { recursive: true }));

/** The checked-in example, loaded, with free ports in the places of its own; `change` works on its text. */
async function loadExample(change: (text: string) => string = (same) => same): Promise<Config> {
  let changed = text
    .replace(/127\.0\.0\.1:80\d\d/g, '127.0.0.1:0')
    .replace('"demo": {\n    "auth', '"admin": { "address": "127.0.0.1:0" },\n  "demo": {\n    "auth');
  for (const port of ['9401', '9402']) changed = changed.replaceAll(`:${port}`, `:${await freePort()}`);
  const file = join(directory, 'sidecar.config.json');
  await writeFile(file, change(changed));
  return (await loadConfig(file, { env: {}, use: 'dev' })).config;
}

const boundTo = (broker: Broker, listener: string) => {
  const address = parseAddress(broker.addresses.get(listener) ?? '');
  if (address === undefined) throw new Error(`"${listener}" is not bound`);
  return address;
};

describe('the checked-in example', () => {
  test('fits the schema', () => {
    expect(schema.safeParse(parse(text)).error).toBeUndefined();
  });

  test('makes its call through the broker and tells it without a secret', async () => {
    const config = await loadExample();
    const events: DemoEvent[] = [];
    const asked: TokenRequest[] = [];
    const demo = await startDemo(config, (event) => {
      events.push(event);
      if (event.kind === 'token-request') asked.push(event.request);
    });
    const broker = new Broker({ config, log: pino({ level: 'silent' }) });
    await broker.start();
    const call = await makeWorkedCall(config, boundTo(broker, 'local'), asked);
    await broker.close();
    await demo.close();
    expect(call.answered.status).toBe(200);
    expect(call.received).toMatchObject({ method: 'GET', path: '/v1/orders/42' });
    expect(call.received?.fields['Authorization']).toMatch(/^Bearer <sha256 [0-9a-f]{8}>$/);
    expect(call.asked).toContainEqual(expect.objectContaining({ clientId: 'orders-sidecar', grant: 'client_credentials', status: 200 }));
    expect(events).toContainEqual({ kind: 'upstream-request', request: call.received });
    const lines = describeWorkedCall(call);
    const { port } = boundTo(broker, 'local') as { port: number };
    expect(lines.at(-1)).toBe(`  curl --user billing:open-sesame http://127.0.0.1:${port}/orders/42`);
    expect(lines).toContain('  Authorization: Basic <billing:******>');
    expect(lines).toContain(
      '  POST /token client_credentials by "orders-sidecar" (client_secret_basic), scope "orders.read orders.write" → 200',
    );
    const told = [...lines.slice(0, -1), JSON.stringify(events)].join('\n');
    for (const secret of [...SECRETS, 'open-sesame', btoa('billing:open-sesame')]) expect(told).not.toContain(secret);
  });
});

describe('the worked call', () => {
  test('shows what the application was answered when the upstream was not reached', async () => {
    const config = await loadExample((example) =>
      example.replace('"password": { "unsafeInline": "open-sesame" }', '"password": { "unsafeInline": "it\'s wrong" }'),
    );
    const refusing = await startScriptedServer({ answer: () => answerWith(401, [], '{"code":"CALLER_UNAUTHENTICATED"}') });
    const call = await makeWorkedCall(config, { kind: 'tcp', host: '0.0.0.0', port: refusing.port }, []);
    await refusing.close();
    expect(call.received).toBeUndefined();
    const lines = describeWorkedCall(call);
    expect(lines).toEqual(expect.arrayContaining(['  nothing', '  401 Scripted', '  {"code":"CALLER_UNAUTHENTICATED"}']));
    expect(lines.at(-1)).toBe(`  curl --user 'billing:it'\\''s wrong' http://127.0.0.1:${refusing.port}/orders/42`);
    expect(refusing.requests[0]?.field('Authorization')).toEqual([`Basic ${btoa("billing:it's wrong")}`]);
  });
});

describe('the demo', () => {
  test('names the key of an address that is taken, and leaves nothing behind', async () => {
    const taken = await startScriptedServer({ answer: () => '' });
    const config = await loadExample((example) =>
      example.replace(/"upstream": \{ "address": "[^"]+"/, `"upstream": { "address": "127.0.0.1:${taken.port}"`),
    );
    await expect(startDemo(config)).rejects.toThrow(
      `the demo cannot listen on 127.0.0.1:${taken.port} (EADDRINUSE): end what uses it, or change "demo.upstream.address"`,
    );
    await expect(openRaw(config.authorizationServers['demo']?.issuer?.slice('http://'.length) ?? '')).rejects.toMatchObject({
      code: 'ECONNREFUSED',
    });
    await taken.close();
  });

  test('knows one secret for each client', async () => {
    const config = await loadExample((example) => example.replace('"clientId": "ledger-sidecar"', '"clientId": "orders-sidecar"'));
    await expect(startDemo(config)).rejects.toThrow('client "orders-sidecar" has two secrets');
  });

  const ordersBy = (authentication: object) => (example: string) =>
    example.replace(
      '{ "method": "client_secret_basic", "secret": { "unsafeInline": "demo-secret-of-orders" } }',
      JSON.stringify(authentication),
    );
  const key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

  test.each<[string, object]>([
    ['client_secret_jwt', { method: 'client_secret_jwt', secret: [{ unsafeInline: 'the first' }, { unsafeInline: 'the second' }] }],
    ['private_key_jwt', { method: 'private_key_jwt', key: { unsafeInline: key }, kid: 'demo' }],
    ['none', { method: 'none' }],
  ])('checks clients that prove themselves by %s', async (method, authentication) => {
    const config = await loadExample(ordersBy(authentication));
    const asked: TokenRequest[] = [];
    const demo = await startDemo(config, (event) => void (event.kind === 'token-request' && asked.push(event.request)));
    const broker = new Broker({ config, log: pino({ level: 'silent' }) });
    await broker.start();
    expect((await makeWorkedCall(config, boundTo(broker, 'local'), asked)).answered.status).toBe(200);
    expect(asked).toContainEqual(expect.objectContaining({ clientId: 'orders-sidecar', clientAuthentication: method, status: 200 }));
    await broker.close();
    await demo.close();
  });

  test('says which client proves itself in a way that it cannot check', async () => {
    const config = await loadExample(ordersBy({ method: 'private_key_jwt', assertion: { unsafeInline: 'e30.e30.eA' } }));
    await expect(startDemo(config)).rejects.toThrow('client "orders-sidecar" proves itself in a way that the demo cannot check');
  });
});
