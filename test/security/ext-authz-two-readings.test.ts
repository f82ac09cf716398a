/**
 * The attack: a client of a proxy that asks writes a request of which the proxy asks about one path and sends another: a question mark in
 * its `Host` makes the path a query for whoever reads both as one URL, and a rewrite finds the path that it looks for further behind.
 */

import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { ASKING_PROXIES, startAskingProxy } from '../helpers/asking-proxies.ts';
import { type Scene, startScene } from '../helpers/broker.ts';
import { ask, checkLines } from '../helpers/ext-authz.ts';
import type { ProxyProgram } from '../helpers/proxy-program.ts';
import { describeInstalled } from '../helpers/proxy-program.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { answerWith } from '../helpers/scripted-answers.ts';

/** The scheme says which route gave the token. */
function startJudge(dialect: string): Promise<Scene> {
  const open = { token: 'orders', upstream: 'https://api.acme.example/v1', callers: ['anonymous'] };
  return startScene({
    origin: () => answerWith(200, [], 'ok'),
    config: {
      listeners: { asked: { address: '127.0.0.1:0', serve: 'ext-authz', dialect, authenticate: ['anonymous'] } },
      routes: {
        start: { ...open, path: '/', inject: { scheme: 'Start' } },
        public: { ...open, path: '/public', inject: { scheme: 'Public' } },
        orders: { ...open, path: '/orders', inject: { scheme: 'Orders' } },
      },
    },
  });
}

test('H09 a URL whose host goes over into a query is refused: what is judged would not be the path', async () => {
  const scene = await startJudge('nginx');
  try {
    for (const host of ['a?', 'a?x=', 'a:80?']) {
      expect([host, (await ask(scene.address('asked'), checkLines('nginx', { uri: '/orders/1', host }))).status]).toEqual([host, 400]);
    }
    const judged = await ask(scene.address('asked'), checkLines('nginx', { uri: '/orders/1?x', host: 'a:80' }));
    expect([judged.status, judged.field('authorization')?.split(' ')[0]]).toEqual([200, 'Orders']);
  } finally {
    await scene.close();
  }
});

for (const name of ASKING_PROXIES)
  describeInstalled(name)(name, () => {
    let scene: Scene;
    let proxy: ProxyProgram;
    beforeAll(async () => {
      scene = await startJudge(name);
      proxy = await startAskingProxy(name, { broker: scene.address('asked'), upstream: scene.origin.port });
    });
    afterAll(async () => {
      await proxy.close();
      await scene.close();
    });

    /** What has reached the upstream, each with the scheme of the route that it was judged by. */
    const sentOf = async (target: string, host = 'a') => {
      const before = scene.origin.requests.length;
      await sendRaw({ port: proxy.port }, `GET ${target} HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
      return scene.origin.requests.slice(before).map((each) => [each.target, each.field('authorization')[0]?.split(' ')[0]]);
    };

    test('H09 judges the path that it sends, whatever its client writes into "Host"', async () => {
      expect(await sentOf('/orders/1')).toEqual([['/v1/1', 'Orders']]);
      for (const host of ['a?', 'a?x', 'a:1?', 'a#', 'a%3f', 'x@a', '[::1]?']) {
        for (const [target, scheme] of await sentOf('/orders/1', host)) expect([host, target, scheme]).toEqual([host, '/v1/1', 'Orders']);
      }
    });

    test('H09 sends nothing from further behind in a path', async () => {
      for (const target of ['/public/orders/1', '/public?/orders/1', '/public/orders/orders/1', '/xorders/1', 'http://a?/orders/1']) {
        expect([target, await sentOf(target)]).toEqual([target, []]);
      }
    });
  });
