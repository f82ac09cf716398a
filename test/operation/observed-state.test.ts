/** What a scrape shows before anything has happened. */

import { afterEach, expect, test } from '@jest/globals';
import { ORDERS_TOKEN, type Scene, startScene } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith } from '../helpers/scripted-answers.ts';

let scene: Scene;
afterEach(() => scene.close());

const grants = async () => (await scene.metrics()).match(/^token_broker_(?:grants|shared_tokens)_total.*$/gm);

test('the grants of each token are counted from zero, since Prometheus misses the first event of a counter that begins with it', async () => {
  scene = await startScene();
  const counts = (granted: number) => [
    `token_broker_grants_total{token="orders",outcome="granted"} ${granted}`,
    ...['transient', 'permanent', 'nonsense', 'breaker_open'].map(
      (outcome) => `token_broker_grants_total{token="orders",outcome="${outcome}"} 0`,
    ),
    'token_broker_shared_tokens_total{token="orders"} 0',
  ];
  expect(await grants()).toEqual(counts(0));
  await request(`${scene.url()}/api/x`);
  expect(await grants()).toEqual(counts(1));
});

test('a try that an open breaker holds back counts as that, since nothing was sent', async () => {
  const route = (token: string) => ({ path: `/${token}`, callers: ['anonymous'], token, upstream: 'http://127.0.0.1:1' });
  scene = await startScene({
    token: () => answerWith(500, [], ''),
    config: { tokens: { orders: ORDERS_TOKEN, ledger: ORDERS_TOKEN }, routes: { orders: route('orders'), ledger: route('ledger') } },
  });
  for (const path of ['orders', 'ledger']) expect((await request(`${scene.url()}/${path}`)).status).toBe(503);
  const counted = (await scene.metrics()).match(/^token_broker_grants_total.* [1-9]\d*$/gm);
  expect(counted).toEqual([
    'token_broker_grants_total{token="orders",outcome="transient"} 3',
    'token_broker_grants_total{token="ledger",outcome="transient"} 2',
    'token_broker_grants_total{token="ledger",outcome="breaker_open"} 1',
  ]);
  expect(scene.authorizationServer.requests).toHaveLength(5);
});
