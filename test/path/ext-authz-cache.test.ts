/** nginx keeps what an `ext-authz` listener has answered, as examples/ext-authz/nginx.conf says: for as long as it may, and for whom. */

import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { startAskingProxy } from '../helpers/asking-proxies.ts';
import { ORDERS_TOKEN, type Scene, secretHash, startScene } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { describeInstalled } from '../helpers/proxy-program.ts';
import { tokenAnswer } from '../helpers/scripted-answers.ts';

interface Kept {
  readonly scene: Scene;
  /** The token that the upstream got, or the status of a refusal. */
  send(path: string, user?: string, method?: string): Promise<string | undefined>;
  /** How often the broker was asked about a path. */
  asked(path: string): number;
  close(): Promise<void>;
}

async function startKept(listener: object = {}): Promise<Kept> {
  const passwordHash = await secretHash();
  const route = { path: '/orders', upstream: 'https://api.acme.example/v1' };
  const scene = await startScene({
    token: ({ body }) => tokenAnswer({ access_token: `for-${new URLSearchParams(body.toString()).get('scope')}` }),
    config: {
      listeners: { asked: { address: '127.0.0.1:0', serve: 'ext-authz', dialect: 'nginx', authenticate: ['basic'], ...listener } },
      callers: { ann: { basic: { passwordHash } }, bob: { basic: { passwordHash } } },
      tokens: { ann: { ...ORDERS_TOKEN, scope: 'ann' }, bob: { ...ORDERS_TOKEN, scope: 'bob' } },
      routes: { ann: { ...route, callers: ['ann'], token: 'ann' }, bob: { ...route, callers: ['bob'], token: 'bob', methods: ['GET'] } },
    },
  });
  const proxy = await startAskingProxy('nginx', { broker: scene.address('asked'), upstream: scene.origin.port });
  return {
    scene,
    async send(path, user = 'ann', method = 'GET') {
      const before = scene.origin.requests.length;
      const { status } = await request(`http://127.0.0.1:${proxy.port}${path}`, { user: `${user}:secret`, method });
      return status === 200 ? scene.origin.requests[before]?.field('authorization')[0] : String(status);
    },
    asked: (path) => scene.log.filter((line) => line['msg'] === 'request' && line['path'] === path).length,
    async close() {
      await proxy.close();
      await scene.close();
    },
  };
}

describeInstalled('nginx')('nginx', () => {
  let kept: Kept;
  beforeAll(async () => {
    kept = await startKept();
  });
  afterAll(() => kept.close());

  test('asks once about what it may reuse the answer of', async () => {
    for (let i = 0; i < 5; i += 1) expect(await kept.send('/orders/once')).toBe('Bearer for-ann');
    expect(kept.asked('/orders/once')).toBe(1);
  });

  test("B10 gives no caller another's token, nor one who is not known, although they ask for the same", async () => {
    for (let i = 0; i < 3; i += 1) {
      expect(await kept.send('/orders/same', 'ann')).toBe('Bearer for-ann');
      expect(await kept.send('/orders/same', 'bob')).toBe('Bearer for-bob');
      expect(await kept.send('/orders/same', 'eve')).toBe('401');
    }
  });

  test('asks anew about another method, path or query', async () => {
    expect(await kept.send('/orders/method', 'bob')).toBe('Bearer for-bob');
    expect(await kept.send('/orders/method', 'bob', 'POST')).toBe('405');
    expect(await kept.send('/orders/method?1', 'bob')).toBe('Bearer for-bob');
    expect(kept.asked('/orders/method')).toBe(3);
  });

  test('keeps no refusal', async () => {
    for (let i = 0; i < 3; i += 1) expect(await kept.send('/orders/refused', 'bob', 'POST')).toBe('405');
    expect(kept.asked('/orders/refused')).toBe(3);
  });

  test('asks each time where nothing may be reused, and again when the time is over', async () => {
    const never = await startKept({ maxReuse: '0s' });
    for (let i = 0; i < 3; i += 1) await never.send('/orders/x');
    expect(never.asked('/orders/x')).toBe(3);
    await never.close();
    const short = await startKept({ maxReuse: '1s' });
    let sent = 0;
    for (; short.asked('/orders/x') < 2; sent += 1) expect(await short.send('/orders/x')).toBe('Bearer for-ann');
    expect(sent).toBeGreaterThan(2);
    await short.close();
  });

  test('may ask where nobody need prove who they are: it names the broker by a loopback name', async () => {
    const open = await startKept({ authenticate: ['basic', 'anonymous'] });
    expect(await open.send('/orders/x')).toBe('Bearer for-ann');
    await open.close();
  });

  test('reaches the listener on a Unix socket too', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'token-broker-authz-'));
    await chmod(folder, 0o755);
    const socket = await startKept({ address: `unix:${folder}/authz.sock`, mode: '0666' });
    expect(await socket.send('/orders/x')).toBe('Bearer for-ann');
    await socket.close();
    await rm(folder, { recursive: true });
  });
});
