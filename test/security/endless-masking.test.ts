/**
 * The attack: an authorization server, or who answers in its place, fills its 64 KiB with thousands of values that it repeats in its own words.
 * Each is cut out of them before anything is logged, and while the broker looks for them nobody else is served.
 */

import { afterEach, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';

let scene: Scene;
afterEach(() => scene.close());

const named = (count: number, value: (index: number) => string) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [i.toString(36), value(i)]));

const VALUES: [string, Record<string, string>, string][] = [
  ['is the same one, so that each could find what stands for the one before', named(2_500, () => 'secr'), 'invalid_client: [secret]'],
  ['is another one', named(2_500, (i) => `s${(i + 36 ** 2).toString(36)}`), '[secret]'],
];

test.each(VALUES)('X06 a refusal with thousands of values of which each %s shows none of them', async (_what, values, said) => {
  const description = Object.values(values).join('').repeat(3).slice(0, 25_000);
  const body = JSON.stringify({ error: 'invalid_client', error_description: description, ...values });
  expect(body.length).toBeLessThan(64 * 1024);
  scene = await startScene({ token: () => answerWith(401, ['Content-Type: application/json'], body) });
  expect((await request(`${scene.url()}/api/x`)).status).toBe(502);
  expect(await scene.logged('token not granted')).toMatchObject({ reason: 'invalid_client', said });
});

test('X06 a token with thousands of scopes and values beside it is a token like any other', async () => {
  const scope = Array.from({ length: 9_000 }, (_, i) => i.toString(36)).join(' ');
  scene = await startScene({
    token: () => tokenAnswer({ scope: `read ${scope}`, ...named(1_500, (i) => `v${i + 1000}`) }),
    tokenConfig: { scope: 'read' },
  });
  expect((await request(`${scene.url()}/api/x`)).status).toBe(200);
  expect((await scene.logged('token granted'))['scope']).toBe('read [secret]');
});
