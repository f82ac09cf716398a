/** What a scrape shows before anything has happened. */

import { afterEach, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';

let scene: Scene;
afterEach(() => scene.close());

const grants = async () => (await scene.metrics()).match(/^token_broker_(?:grants|shared_tokens)_total.*$/gm);

test('the grants of each token are counted from zero, since Prometheus misses the first event of a counter that begins with it', async () => {
  scene = await startScene();
  const counts = (granted: number) => [
    `token_broker_grants_total{token="orders",outcome="granted"} ${granted}`,
    ...['transient', 'permanent', 'nonsense'].map((outcome) => `token_broker_grants_total{token="orders",outcome="${outcome}"} 0`),
    'token_broker_shared_tokens_total{token="orders"} 0',
  ];
  expect(await grants()).toEqual(counts(0));
  await request(`${scene.url()}/api/x`);
  expect(await grants()).toEqual(counts(1));
});
