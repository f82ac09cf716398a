/** Callers known by a JWT, through the whole broker: let in, refused with a challenge, and their token goes no further. */

import { afterEach, beforeAll, describe, expect, test } from '@jest/globals';
import { CLIENTS, startAuthorizationServer } from '../helpers/authorization-server.ts';
import { type Scene, type SceneOptions, secretHash, startScene } from '../helpers/broker.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import { ask, checkLines } from '../helpers/ext-authz.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import { claimsAt, createSigningKey, type SigningKey, startIssuer, type TestIssuer } from '../helpers/issuer.ts';
import { fieldLines } from '../helpers/message-framing.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { answerWith } from '../helpers/scripted-answers.ts';

let key: SigningKey;
let issuer: TestIssuer;
let scene: Scene;
beforeAll(async () => {
  key = await createSigningKey();
});
afterEach(async () => {
  await scene.close();
  await issuer.close();
});

async function start(options: SceneOptions & { authenticate?: string[]; listener?: object } = {}): Promise<void> {
  issuer = await startIssuer([key.jwk]);
  scene = await startScene({
    ...options,
    route: { callers: ['batch'], ...options.route },
    config: {
      listeners: { local: { address: '127.0.0.1:0', authenticate: options.authenticate ?? ['jwt'], ...options.listener } },
      callers: {
        batch: { jwt: { issuer: issuer.url, audience: 'token-broker', claims: { sub: 'batch-*' } } },
        billing: { basic: { passwordHash: await secretHash() } },
      },
      ...options.config,
    },
  });
}

const tokenOf = (more: Record<string, unknown> = {}) => key.sign(claimsAt(Date.now(), issuer.url, more));
const call = (authorization?: string): Promise<Answer> =>
  request(`${scene.url()}/api/x`, { fields: authorization === undefined ? {} : { authorization } });
const challenges = (answer: Answer) =>
  fieldLines(`x\r\n${answer.fields.map((text, i) => (i % 2 ? `${text}\r\n` : `${text}: `)).join('')}`, 'www-authenticate');

const BEARER = 'Bearer realm="token-broker"';
const BASIC = 'Basic realm="token-broker", charset="UTF-8"';

describe('a caller known by a JWT', () => {
  test('reaches its route with the token of that route; its own goes no further', async () => {
    await start();
    const token = await tokenOf();
    expect((await call(`Bearer ${token}`)).status).toBe(200);
    expect((await call(`bearer  ${token}`)).status).toBe(200);
    expect(scene.origin.requests.map((asked) => asked.field('authorization'))).toEqual(Array(2).fill(['Bearer scripted-access-token']));
    expect(scene.origin.received().toString()).not.toContain(token);
    expect(issuer.reads()).toBe(1);
    const line = await scene.logged('request', (entry) => entry['status'] === 200);
    expect(line['caller']).toBe('batch');
    expect(JSON.stringify(scene.log)).not.toContain(token.split('.')[2]);
  });

  test('its own goes no further either where the route has no token', async () => {
    await start({ route: { token: null } });
    expect((await call(`Bearer ${await tokenOf()}`)).status).toBe(200);
    expect(scene.origin.requests[0]?.field('authorization')).toEqual([]);
  });

  test('B01 without a token, with a wrong one and with a password it is told to send one, and nothing is asked for it', async () => {
    await start();
    const told = await Promise.all([call(), call(`Basic ${Buffer.from('billing:secret').toString('base64')}`)]);
    for (const answer of told) expect([answer.status, challenges(answer)]).toEqual([401, [BEARER]]);
    const bad = ['x', 'a.b.c', await tokenOf({ aud: 'else' }), await tokenOf({ sub: 'else' }), `${(await tokenOf()).slice(0, -4)}AAAA`];
    const refused = await Promise.all(bad.map((token) => call(`Bearer ${token}`)));
    for (const answer of refused) expect([answer.status, challenges(answer)]).toEqual([401, [`${BEARER}, error="invalid_token"`]]);
    const details = [...told, ...refused].map((answer) => ({ ...(answer.json() as object), requestId: '' }));
    expect(new Set(details.map((detail) => JSON.stringify(detail))).size).toBe(1);
    expect([scene.origin.requests.length, scene.authorizationServer.requests.length]).toEqual([0, 0]);
  });

  test('B10 may not use the route of another, and no token is fetched for it', async () => {
    await start({ route: { callers: ['billing'] } });
    const answer = await call(`Bearer ${await tokenOf()}`);
    expect([answer.status, (answer.json() as { code: string }).code]).toEqual([403, 'CALLER_FORBIDDEN']);
    expect(scene.authorizationServer.requests).toHaveLength(0);
  });

  test('is meant by "*"', async () => {
    await start({ route: { callers: ['*'] } });
    expect((await call(`Bearer ${await tokenOf()}`)).status).toBe(200);
  });

  test('beside Basic, each finds its own, both are asked for, and neither is taken for the other', async () => {
    await start({ authenticate: ['jwt', 'basic', 'anonymous'], route: { callers: ['*'] } });
    const password = `Basic ${Buffer.from('billing:secret').toString('base64')}`;
    expect([(await call(password)).status, (await call(`Bearer ${await tokenOf()}`)).status]).toEqual([200, 200]);
    const refused = await call('Bearer nonsense');
    expect([refused.status, challenges(refused)]).toEqual([401, [`${BEARER}, error="invalid_token"`, BASIC]]);
    expect((await call()).status).toBe(403);
  });

  test('a bearer token that came beside a certificate goes no further', async () => {
    const authority = await sharedAuthority();
    const server = await authority.issueServer();
    const listener = {
      address: '127.0.0.1:0',
      authenticate: ['mtls', 'jwt'],
      tls: { cert: server.cert, key: { unsafeInline: server.key }, clientCa: authority.certificate },
    };
    await start({
      route: { callers: ['reports'], token: null },
      config: { listeners: { local: listener }, callers: { reports: { mtls: { dns: 'reports.example' } } } },
    });
    const tls = { ...(await authority.issueClient({ dns: ['reports.example'] })), ca: authority.certificate };
    expect((await request(`${scene.url()}/api/x`, { fields: { authorization: 'Bearer abc' }, tls })).status).toBe(200);
    expect(scene.origin.requests[0]?.field('authorization')).toEqual([]);
  });

  test('as to a forward proxy its token stands in Proxy-Authorization, and is asked for by 407', async () => {
    await start({ route: { host: 'api.acme.example', path: '/v1', token: null } });
    const ask = async (...fields: string[]) => {
      const head = ['GET http://api.acme.example/v1/x HTTP/1.1', 'Host: api.acme.example', 'Connection: close', ...fields];
      return (await sendRaw(scene.address(), `${head.join('\r\n')}\r\n\r\n`)).text;
    };
    const own = 'Authorization: Bearer of-the-application';
    expect(await ask(`Proxy-Authorization: Bearer ${await tokenOf()}`, own)).toMatch(/^HTTP\/1\.1 200 /);
    expect(scene.origin.requests[0]?.field('authorization')).toEqual(['Bearer of-the-application']);
    expect(scene.origin.requests[0]?.field('proxy-authorization')).toEqual([]);
    const refused = await ask(`Authorization: Bearer ${await tokenOf()}`);
    expect(refused).toMatch(/^HTTP\/1\.1 407 /);
    expect(fieldLines(refused, 'proxy-authenticate')).toEqual([BEARER]);
  });

  test('its token is what the token of the route is made from, where that has the subject "caller"', async () => {
    await start({ tokenConfig: { grant: 'token_exchange', subject: 'caller' } });
    const token = await tokenOf();
    expect((await call(`Bearer ${token}`)).status).toBe(200);
    const form = new URLSearchParams(scene.authorizationServer.requests[0]?.body.toString());
    expect(form.get('subject_token')).toBe(token);
    expect(scene.origin.requests[0]?.field('authorization')).toEqual(['Bearer scripted-access-token']);
    expect((await call('Bearer of-nobody')).status).toBe(401);
    expect(scene.authorizationServer.requests).toHaveLength(1);
  });

  test('is handed a token where the listener serves those', async () => {
    const listener = { address: '127.0.0.1:0', serve: 'token-endpoint', authenticate: ['jwt'] };
    await start({ tokenConfig: { callers: ['batch'] }, config: { listeners: { local: listener } } });
    const ask = (token: string) => request(`${scene.url()}/tokens/orders`, { fields: { authorization: `Bearer ${token}` } });
    expect((await ask(await tokenOf())).json()).toMatchObject({ access_token: 'scripted-access-token' });
    const refused = await ask(await tokenOf({ sub: 'else' }));
    expect([refused.status, challenges(refused)]).toEqual([401, [`${BEARER}, error="invalid_token"`]]);
    issuer.answer = () => answerWith(500, []);
    expect((await ask(await (await createSigningKey()).sign(claimsAt(Date.now(), issuer.url)))).json()).toMatchObject({
      error: 'invalid_client',
    });
  });

  test('while the keys of its issuer cannot be had it is 503 with Retry-After, and the log says why', async () => {
    await start();
    issuer.answer = () => answerWith(500, []);
    const answer = await call(`Bearer ${await tokenOf()}`);
    expect([answer.status, (answer.json() as { code: string }).code, answer.field('retry-after')]).toEqual([
      503,
      'CALLER_UNVERIFIABLE',
      '2',
    ]);
    expect(answer.field('www-authenticate')).toBeUndefined();
    const line = await scene.logged('keys of an issuer cannot be read');
    expect(line).toMatchObject({ issuer: issuer.url, serving: false, level: 'error' });
    expect(scene.origin.requests).toHaveLength(0);
  });

  test('what a proxy is told by ext-authz may be reused no longer than the JWT lasts, remembered or not', async () => {
    await start({ listener: { serve: 'ext-authz', dialect: 'nginx' } });
    // The clock tolerance is 30 s, on top of which the token is good.
    const seconds = Math.floor(Date.now() / 1000);
    const bearer = `Authorization: Bearer ${await tokenOf({ iat: seconds - 60, exp: seconds - 10 })}`;
    for (let i = 0; i < 2; i += 1) {
      const verdict = await ask(scene.address(), [...checkLines('nginx', {}), bearer]);
      const reuse = Number(verdict.field('x-accel-expires'));
      expect([verdict.status, verdict.field('cache-control')]).toEqual([200, `private, max-age=${reuse}`]);
      expect(reuse).toBeLessThan(21);
    }
  });

  test('with a token of a real authorization server, found by discovery over TLS', async () => {
    const server = await startAuthorizationServer();
    const audience = 'https://broker.example';
    const jwt = {
      issuer: server.issuer,
      audience,
      claims: { client_id: CLIENTS.orders.clientId, scope: 'orders.read' },
      tls: { ca: server.ca },
    };
    await start({ config: { listeners: { local: { address: '127.0.0.1:0', authenticate: ['jwt'] } }, callers: { batch: { jwt } } } });
    const answer = await request(`${server.issuer}/token`, {
      fields: {
        'content-type': 'application/x-www-form-urlencoded',
        authorization: `Basic ${Buffer.from(`${CLIENTS.orders.clientId}:${new URLSearchParams({ x: CLIENTS.orders.secret }).toString().slice(2)}`).toString('base64')}`,
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'orders.read orders.write', resource: audience }).toString(),
      tls: { ca: server.ca },
    });
    const { access_token: token } = answer.json() as { access_token: string };
    expect((await call(`Bearer ${token}`)).status).toBe(200);
    await server.close();
  });
});
