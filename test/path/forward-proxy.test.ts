/** The listener as a forward proxy: whole URLs, for routes that set a host, with the credentials that proxies are given. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, type SceneOptions, secretHash, startScene } from '../helpers/broker.ts';
import { fieldLines } from '../helpers/message-framing.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';

let scene: Scene;
afterEach(() => scene.close());

const basic = (user: string) => `Basic ${Buffer.from(user).toString('base64')}`;

async function start(options: SceneOptions = {}): Promise<Scene> {
  scene = await startScene({ ...options, route: { path: '/v1', host: 'api.acme.example', ...options.route } });
  return scene;
}

/** With a caller `app` whose password is `secret`. */
async function startForApp(options: SceneOptions = {}): Promise<Scene> {
  return start({
    ...options,
    route: { callers: ['app'], ...options.route },
    config: {
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic'] } },
      callers: { app: { basic: { passwordHash: await secretHash() } } },
      ...options.config,
    },
  });
}

async function ask(target: string, fields: readonly string[] = [], host = 'api.acme.example'): Promise<string> {
  const head = [`GET ${target} HTTP/1.1`, `Host: ${host}`, 'Connection: close', ...fields];
  return (await sendRaw(scene.address(), `${head.join('\r\n')}\r\n\r\n`)).text;
}

const statusesIn = (text: string) => [...text.matchAll(/HTTP\/1\.1 (\d\d\d) /g)].map(([, status]) => status);

const sentHead = () => (scene.origin.requests[0] as { head: string }).head;

describe('a whole URL', () => {
  test('H08 goes to the upstream of the route that names its host, with the token and an ordinary target', async () => {
    await start();
    expect(await ask('http://api.acme.example/v1/orders?x=http://y')).toMatch(/^HTTP\/1\.1 200 /);
    expect(scene.origin.requests.map((each) => each.target)).toEqual(['/orders?x=http://y']);
    expect(fieldLines(sentHead(), 'host')).toEqual([new URL(scene.origin.url).host]);
    expect(fieldLines(sentHead(), 'authorization')).toEqual(['Bearer scripted-access-token']);
  });

  test('H08 counts by its own host, whatever Host says', async () => {
    await start();
    expect(await ask('http://api.acme.example/v1/x', [], 'elsewhere.example')).toMatch(/^HTTP\/1\.1 200 /);
    expect(await ask('http://elsewhere.example/v1/x', [], 'api.acme.example')).toMatch(/^HTTP\/1\.1 404 [\s\S]*ROUTE_NOT_FOUND/);
    expect(scene.origin.requests).toHaveLength(1);
  });

  test('H08 needs a well-formed Host all the same', async () => {
    await start();
    expect(await ask('http://api.acme.example/v1/x', [], 'a/b')).toMatch(/^HTTP\/1\.1 400 /);
    expect((await sendRaw(scene.address(), 'GET http://api.acme.example/v1/x HTTP/1.1\r\n\r\n')).text).toMatch(/^HTTP\/1\.1 400 /);
    expect(scene.origin.requests).toHaveLength(0);
  });

  test('H08 fits no route that does not name its host', async () => {
    await start({ route: { host: undefined } });
    expect(await ask('http://api.acme.example/v1/x')).toMatch(/^HTTP\/1\.1 404 [\s\S]*ROUTE_NOT_FOUND/);
    expect(scene.origin.requests).toHaveLength(0);
  });

  test('its host and port are what X-Forwarded-Host says', async () => {
    await start({ route: { forwarded: true } });
    await ask('http://api.acme.example:81/v1/x', [], 'elsewhere.example');
    expect(fieldLines(sentHead(), 'x-forwarded-host')).toEqual(['api.acme.example:81']);
  });

  test('CONNECT is refused with an explanation', async () => {
    await start();
    const { text } = await sendRaw(scene.address(), 'CONNECT api.acme.example:443 HTTP/1.1\r\nHost: api.acme.example:443\r\n\r\n');
    expect(text).toMatch(/^HTTP\/1\.1 501 [\s\S]*with an \\"http\\" URL/);
  });
});

describe('credentials of a forward proxy', () => {
  test('Proxy-Authorization says who is calling, and reaches nobody else', async () => {
    await startForApp();
    expect(await ask('http://api.acme.example/v1/x', [`Proxy-Authorization: ${basic('app:secret')}`])).toMatch(/^HTTP\/1\.1 200 /);
    expect(fieldLines(sentHead(), 'proxy-authorization')).toEqual([]);
    expect(fieldLines(sentHead(), 'authorization')).toEqual(['Bearer scripted-access-token']);
  });

  test.each([
    ['without any', []],
    ['wrong', [`Proxy-Authorization: ${basic('app:wrong')}`]],
    ['in Authorization, which is not for us', [`Authorization: ${basic('app:secret')}`]],
  ])('%s: 407 with Proxy-Authenticate, and nothing is sent on', async (_what, fields) => {
    await startForApp();
    const text = await ask('http://api.acme.example/v1/x', fields);
    expect(text).toMatch(/^HTTP\/1\.1 407 Proxy Authentication Required\r\n/);
    expect(fieldLines(text, 'proxy-authenticate')).toEqual(['Basic realm="token-broker", charset="UTF-8"']);
    expect(fieldLines(text, 'www-authenticate')).toEqual([]);
    expect(text).toContain('CALLER_UNAUTHENTICATED');
    expect([scene.origin.requests.length, scene.authorizationServer.requests.length]).toEqual([0, 0]);
  });

  test.each([
    ['none', []],
    ['others', [`Authorization: ${basic('own:one')}`]],
  ])('wrong ones are refused also behind right ones, with %s of the application beside both', async (_what, own) => {
    await startForApp();
    const head = (user: string) =>
      ['GET http://api.acme.example/v1/x HTTP/1.1', 'Host: a', `Proxy-Authorization: ${basic(user)}`, ...own, '', ''].join('\r\n');
    const users = ['app:secret', 'app:secret', 'app:wrong', 'app:wrong', 'app:secret'];
    const { text } = await sendRaw(scene.address(), users.map(head).join(''), { until: (all) => statusesIn(all).length === 5 });
    expect(statusesIn(text)).toEqual(['200', '200', '407', '407', '200']);
  });

  test('two of them are refused', async () => {
    await startForApp();
    const twice = [`Proxy-Authorization: ${basic('app:secret')}`, `Proxy-Authorization: ${basic('app:secret')}`];
    expect(await ask('http://api.acme.example/v1/x', twice)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test("the application's own Authorization passes where no token takes its place", async () => {
    await startForApp({ route: { token: null } });
    await ask('http://api.acme.example/v1/x', [`Proxy-Authorization: ${basic('app:secret')}`, `Authorization: ${basic('own:one')}`]);
    expect(fieldLines(sentHead(), 'authorization')).toEqual([basic('own:one')]);
  });

  test('on a path alone, Proxy-Authorization is nobody and Authorization is ours', async () => {
    await startForApp({ route: { token: null } });
    expect(await ask('/v1/x', [`Proxy-Authorization: ${basic('app:secret')}`])).toMatch(/^HTTP\/1\.1 401 /);
    expect(await ask('/v1/x', [`Authorization: ${basic('app:secret')}`])).toMatch(/^HTTP\/1\.1 200 /);
    expect(fieldLines(sentHead(), 'authorization')).toEqual([]);
  });

  describe('with basic-passthrough', () => {
    const startForAnn = (beforeAnswer: () => Promise<void> = async () => undefined) =>
      start({
        token: async (asked) => {
          await beforeAnswer();
          const form = new URLSearchParams(asked.body.toString());
          const right = form.get('username') === 'ann' && form.get('password') === 'pw';
          return right ? tokenAnswer({ access_token: 'anns' }) : oauthError('invalid_grant');
        },
        tokenConfig: { grant: 'password', resourceOwner: 'caller', renew: undefined },
        route: { callers: ['basic-passthrough'] },
        config: { listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic-passthrough'] } } },
      });

    test("they are the resource owner's, and a refusal is 407", async () => {
      await startForAnn();
      expect(await ask('http://api.acme.example/v1/x', [`Proxy-Authorization: ${basic('ann:pw')}`])).toMatch(/^HTTP\/1\.1 200 /);
      expect(fieldLines(sentHead(), 'authorization')).toEqual(['Bearer anns']);
      const refused = await ask('http://api.acme.example/v1/x', [`Proxy-Authorization: ${basic('ann:no')}`]);
      expect(refused).toMatch(/^HTTP\/1\.1 407 /);
      expect(fieldLines(refused, 'proxy-authenticate')).toHaveLength(1);
    });

    test('a refusal that requests of both forms wait for is 401 to the one and 407 to the other', async () => {
      await startForAnn(async () => {
        while (!/^token_broker_token_waiting\{token="orders"\} 2$/m.test(await scene.metrics()));
      });
      const [own, proxied] = await Promise.all([
        ask('/v1/x', [`Authorization: ${basic('ann:no')}`]),
        ask('http://api.acme.example/v1/x', [`Proxy-Authorization: ${basic('ann:no')}`]),
      ]);
      expect([own.slice(0, 13), proxied.slice(0, 13)]).toEqual(['HTTP/1.1 401 ', 'HTTP/1.1 407 ']);
      const fieldsOf = (text: string) => ['www-authenticate', 'proxy-authenticate'].map((name) => fieldLines(text, name).length);
      expect([fieldsOf(own), fieldsOf(proxied)]).toEqual([
        [1, 0],
        [0, 1],
      ]);
      expect(scene.authorizationServer.requests).toHaveLength(1);
    });
  });
});

test('what curl sends to its http_proxy is answered, on a connection that is kept', async () => {
  await startForApp();
  const head = `GET http://api.acme.example/v1/orders HTTP/1.1\r\nHost: api.acme.example\r\nProxy-Authorization: ${basic('app:secret')}\r\nUser-Agent: curl/8\r\nAccept: */*\r\nProxy-Connection: Keep-Alive\r\n\r\n`;
  const { text } = await sendRaw(scene.address(), head + head, { until: (seen) => seen.split('\r\n\r\nok').length === 3 });
  expect(text).not.toMatch(/connection: close/i);
  expect(scene.origin.requests.map((each) => each.target)).toEqual(['/orders', '/orders']);
  expect(fieldLines(sentHead(), 'proxy-connection')).toEqual([]);
});
