/** Real proxies with the configs of examples/ext-authz/: what reaches the upstream through them, and what does not. */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ASKING_PROXIES, startAskingProxy } from '../helpers/asking-proxies.ts';
import { type Scene, secretHash, startScene } from '../helpers/broker.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import type { ProxyProgram } from '../helpers/proxy-program.ts';
import { describeInstalled } from '../helpers/proxy-program.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';

const AUTHORIZATION = `Authorization: Basic ${Buffer.from('billing:secret').toString('base64')}`;

const SPOOFED = {
  'X-Original-Method': 'GET',
  'X-Original-URL': 'http://localhost/orders/x',
  'X-Forwarded-Method': 'GET',
  'X-Forwarded-Host': 'localhost',
  'X-Forwarded-Uri': '/orders/x',
};

/** Ends the token, as `token-broker purge` does. */
async function purge({ broker }: Scene, token: string): Promise<void> {
  const admin = `http://${broker.addresses.get('admin')}`;
  expect((await request(`${admin}/tokens/${token}/purge`, { method: 'POST', fields: { 'Token-Broker-Admin': '1' } })).status).toBeLessThan(
    300,
  );
}

for (const name of ASKING_PROXIES)
  describeInstalled(name)(name, () => {
    let scene: Scene;
    let proxy: ProxyProgram;
    let refusesTokens = false;
    beforeAll(async () => {
      const passwordHash = await secretHash();
      const orders = { token: 'orders', upstream: 'https://api.acme.example/v1' };
      scene = await startScene({
        token: () => (refusesTokens ? answerWith(503, ['Retry-After: 30']) : tokenAnswer()),
        origin: ({ method }) => (method === 'HEAD' ? 'HTTP/1.1 200 Scripted\r\nContent-Length: 2\r\n\r\n' : answerWith(200, [], 'ok')),
        config: {
          listeners: { asked: { address: '127.0.0.1:0', serve: 'ext-authz', dialect: name, authenticate: ['basic'] } },
          callers: { billing: { basic: { passwordHash } }, audit: { basic: { passwordHash } } },
          routes: {
            orders: { ...orders, path: '/orders', methods: ['GET', 'POST'], callers: ['billing'] },
            named: { ...orders, path: '/orders', host: 'named.example', callers: ['billing'], inject: { scheme: 'Named' } },
            bare: { ...orders, path: '/orders/bare', callers: ['billing'], token: null },
          },
        },
      });
      proxy = await startAskingProxy(name, { broker: scene.address('asked'), upstream: scene.origin.port });
    });
    afterAll(async () => {
      await proxy.close();
      await scene.close();
    });

    const send = (path: string, options: Parameters<typeof request>[1] = {}): Promise<Answer> =>
      request(`http://127.0.0.1:${proxy.port}${path}`, { user: 'billing:secret', ...options });

    const sendLine = (line: string, host: string) =>
      sendRaw({ port: proxy.port }, `${line}\r\nHost: ${host}\r\n${AUTHORIZATION}\r\nConnection: close\r\n\r\n`);

    /** What has reached the upstream meanwhile. */
    const seen = async (action: () => Promise<unknown>) => {
      const before = scene.origin.requests.length;
      await action();
      return scene.origin.requests.slice(before);
    };

    test("sends a request on with the token in the place of the caller's credentials", async () => {
      const sent = await seen(async () => {
        const body = 'a body of its own';
        expect((await send('/orders/42?full=1', { method: 'POST', body })).status).toBe(200);
        expect((await send('/orders/42', { method: 'HEAD' })).status).toBe(200);
      });
      expect(sent.map((each) => [each.method, each.target, each.field('authorization'), each.body.toString()])).toEqual([
        ['POST', '/v1/42?full=1', ['Bearer scripted-access-token'], 'a body of its own'],
        ['HEAD', '/v1/42', ['Bearer scripted-access-token'], ''],
      ]);
    });

    test('sends no credentials where the route has no token', async () => {
      const sent = await seen(async () => expect((await send('/orders/bare')).status).toBe(200));
      expect(sent.map((each) => each.field('authorization'))).toEqual([[]]);
    });

    test('refuses who is not known or may not, as the broker says', async () => {
      const sent = await seen(async () => {
        const unknown = await request(`http://127.0.0.1:${proxy.port}/orders/42`);
        expect([unknown.status, unknown.field('www-authenticate')]).toEqual([401, expect.stringContaining('Basic realm="token-broker"')]);
        expect((await send('/orders/42', { user: 'billing:wrong' })).status).toBe(401);
        expect((await send('/orders/42', { user: 'audit:secret' })).status).toBe(403);
      });
      expect(sent).toEqual([]);
    });

    test('N05 is not led astray by what its client says that it asked for', async () => {
      const sent = await seen(async () => {
        const misled = { ...SPOOFED, 'X-Original-URL': 'http://a/none', 'X-Forwarded-Uri': '/none' };
        expect((await send('/orders/42', { method: 'DELETE', fields: SPOOFED })).status).toBe(405);
        expect((await send('/orders/42', { method: 'POST', fields: { 'X-HTTP-Method-Override': 'DELETE' } })).status).toBe(405);
        expect((await send('/orders/42', { user: 'audit:secret', fields: SPOOFED })).status).toBe(403);
        expect((await send('/orders/42', { fields: misled })).status).toBe(200);
      });
      expect(sent.map(({ method, target }) => [method, target])).toEqual([['GET', '/v1/42']]);
    });

    test('H09 sends no token along with a path that was not judged', async () => {
      const sent = await seen(async () => {
        for (const path of [
          '/orders/../x',
          '/orders/%2e%2e/x',
          '/orders/..%2fx',
          '/orders/.%2e%2Fx',
          '/orders/..;/x',
          '/orders/a\\..\\x',
        ]) {
          await sendLine(`GET ${path} HTTP/1.1`, 'a');
        }
      });
      expect(sent.map(({ target }) => target)).toEqual([]);
    });

    test('is told by the host of the target, as it goes by itself, where the field says another', async () => {
      const sent = await seen(async () => {
        await sendLine('GET /orders/1 HTTP/1.1', 'named.example');
        await sendLine('GET http://named.example/orders/2 HTTP/1.1', 'named.example');
        await sendLine('GET http://other.example/orders/3 HTTP/1.1', 'named.example');
      });
      const named = sent.filter((each) => each.field('authorization')[0]?.startsWith('Named '));
      // HAProxy sends whole URLs on as such.
      expect(named.map(({ target }) => target.replace('http://api.acme.example', ''))).toEqual(['/v1/1', '/v1/2']);
    });

    test('tells its client when the token cannot be had, and sends nothing', async () => {
      const sent = await seen(async () => {
        refusesTokens = true;
        await purge(scene, 'orders');
        const refused = await send('/orders/42?another');
        expect(refused.status).toBe(503);
        if (name !== 'envoy') expect(Number(refused.field('retry-after'))).toBeGreaterThan(0);
        refusesTokens = false;
      });
      expect(sent).toEqual([]);
    });

    test('sends nothing while the broker cannot be asked', async () => {
      const sent = await seen(async () => {
        await scene.broker.drain();
        expect([403, 502, 503]).toContain((await send('/orders/42?third')).status);
      });
      expect(sent).toEqual([]);
    });
  });
