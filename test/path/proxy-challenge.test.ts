/** An upstream that asks for the credentials of a proxy: RFC 9110 §11.7.1 has that challenge end at the broker, and no caller can answer it. */

import { afterEach, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

let scene: Scene;
afterEach(() => scene.close());

const CHALLENGE = 'Proxy-Authenticate: Basic realm="elsewhere"';

/** An origin that is a proxy, but for `/next`. */
const start = (route = {}) =>
  startScene({
    route,
    origin: ({ target }) => (target === '/next' ? answerWith(200, [], 'fine') : answerWith(407, [CHALLENGE], 'who are you?')),
  });

test('is 502 with the reason, shows the caller no challenge, and the next request is fine', async () => {
  scene = await start();
  const answer = await request(`${scene.url()}/api/x`);
  expect([answer.status, answer.field('proxy-authenticate'), answer.field('proxy-status')]).toEqual([
    502,
    undefined,
    'token-broker; error=http_protocol_error; details="UPSTREAM_INVALID_RESPONSE"',
  ]);
  expect(answer.json()).toMatchObject({
    code: 'UPSTREAM_INVALID_RESPONSE',
    detail: 'the upstream asks for the credentials of a proxy, which no caller can send there',
  });
  expect(answer.text()).not.toContain('who are you?');
  expect((await request(`${scene.url()}/api/next`)).text()).toBe('fine');
  expect(scene.authorizationServer.requests).toHaveLength(1);
});

test('is 502 to a whole URL too, where a 407 would be taken for one of the broker', async () => {
  scene = await start({ host: 'api.acme.example' });
  const { text } = await sendRaw(
    scene.address(),
    'GET http://api.acme.example/api/x HTTP/1.1\r\nHost: api.acme.example\r\nConnection: close\r\n\r\n',
  );
  expect(text).toMatch(/^HTTP\/1\.1 502 [\s\S]*UPSTREAM_INVALID_RESPONSE/);
  expect(text).not.toMatch(/^proxy-authenticate:/im);
});

test('is 502 in the middle of an upload', async () => {
  const proxy = await startScriptedServer({ answer: () => undefined, onHead: () => answerWith(407, [CHALLENGE], '') });
  scene = await start({ upstream: proxy.url });
  const connection = await openRaw(scene.address());
  connection.write('POST /api/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\nbegin');
  expect(await connection.waitFor('UPSTREAM_INVALID_RESPONSE')).toMatch(/^HTTP\/1\.1 502 /);
  connection.socket.destroy();
  await proxy.close();
});
