/** A listener that serves `token-endpoint`: tokens of the config, handed out as RFC 6749 says. */

import { afterEach, describe, expect, jest, test } from '@jest/globals';
import { request } from '../helpers/http-client.ts';
import { openRaw } from '../helpers/raw-client.ts';
import { hang, inTurn, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import {
  askForToken,
  GRANT,
  GRANTED,
  startTokenEndpoint,
  type TokenEndpointOptions,
  type TokenEndpointScene,
} from '../helpers/token-endpoint.ts';

let scene: TokenEndpointScene;
afterEach(async () => {
  jest.restoreAllMocks();
  await scene.close();
});

const start = async (options?: TokenEndpointOptions) => {
  scene = await startTokenEndpoint(options);
};
const orders = () => `${scene.url()}/tokens/orders`;
const GOOD = { user: 'billing:secret' };
const posted = { ...GRANT, client_id: 'billing', client_secret: 'secret' };

describe('a token request', () => {
  test('is answered as RFC 6749 §5.1 says, and never cached', async () => {
    await start();
    const answer = await askForToken(orders(), GOOD);
    expect(answer.status).toBe(200);
    expect(answer.field('content-type')).toBe('application/json');
    expect([answer.field('cache-control'), answer.field('pragma')]).toEqual(['no-store', 'no-cache']);
    const body = answer.json() as { expires_in: number };
    expect(body).toEqual({
      access_token: 'scripted-access-token',
      token_type: 'Bearer',
      expires_in: expect.any(Number),
      scope: GRANTED.scope,
    });
    // An hour, less the hard margin of 5s and what has passed.
    expect(body.expires_in).toBeLessThan(3_596);
    expect(body.expires_in).toBeGreaterThan(3_500);
    expect(Number.isInteger(body.expires_in)).toBe(true);
  });

  test.each([
    [{ instance_url: 'https://acme.my.salesforce.com/' }, 'https://acme.my.salesforce.com'],
    [{}, undefined],
  ])('says where the token is to be used, if the authorization server did, by the same name: %j', async (said, url) => {
    const upstreamFrom = { field: 'instance_url', allow: ['https://*.my.salesforce.com'] };
    await start({ token: () => tokenAnswer(said), tokenConfig: { upstreamFrom } });
    const answer = (await askForToken(orders(), GOOD)).json() as Record<string, unknown>;
    expect([answer['access_token'], answer['instance_url']]).toEqual(['scripted-access-token', url]);
  });

  test.each(['GET', 'HEAD'])('by %s has the same answer', async (method) => {
    await start();
    const answer = await request(orders(), { method, ...GOOD });
    expect([answer.status, answer.field('cache-control')]).toEqual([200, 'no-store']);
    if (method === 'GET') expect(answer.json()).toMatchObject({ access_token: 'scripted-access-token' });
    else expect(answer.body).toHaveLength(0);
  });

  test('has credentials in the form as well as in Basic, and never in both', async () => {
    await start();
    expect((await askForToken(orders(), { form: posted })).status).toBe(200);
    const both = await askForToken(orders(), { ...GOOD, form: posted });
    expect([both.status, both.json()]).toEqual([400, expect.objectContaining({ error: 'invalid_request', code: 'REQUEST_INVALID' })]);
    const nobodys = await askForToken(orders(), { form: { ...GRANT, client_secret: 'secret' } });
    expect(nobodys.json()).toMatchObject({ error: 'invalid_request' });
  });

  test('may name its client beside the credentials, but no other one', async () => {
    await start();
    expect((await askForToken(orders(), { ...GOOD, form: { ...GRANT, client_id: 'billing' } })).status).toBe(200);
    const other = await askForToken(orders(), { ...GOOD, form: { ...GRANT, client_id: 'audit' } });
    expect([other.status, other.json()]).toEqual([400, expect.objectContaining({ error: 'invalid_request' })]);
  });

  test.each([
    [{ grant_type: 'password' }, 'unsupported_grant_type'],
    [{ grant_type: '' }, 'invalid_request'],
    [{ scope: 'orders.read' }, 'invalid_request'],
    ['grant_type=client_credentials&grant_type=client_credentials', 'invalid_request'],
    ['grant_type=client_credentials&x=&x=', 'invalid_request'],
    ['grant_type=client_credentials&x=%', 'invalid_request'],
    ['grant_type=client_credentials&x=%ff', 'invalid_request'],
    ['grant_type=client_credentials&x=ä', 'invalid_request'],
    ['', 'invalid_request'],
  ])('that is not in order is refused: %j', async (form, error) => {
    await start();
    const answer = await askForToken(orders(), { ...GOOD, form });
    expect([answer.status, answer.json()]).toEqual([400, expect.objectContaining({ error })]);
    expect(scene.authorizationServer.requests).toHaveLength(0);
  });

  test.each(['application/json', 'text/plain', 'application/x-www-form-urlencodedly', ''])(
    'that is no form is refused: %s',
    async (type) => {
      await start();
      const answer = await askForToken(orders(), { ...GOOD, fields: { 'Content-Type': type } });
      expect([answer.status, answer.json()]).toEqual([400, expect.objectContaining({ error: 'invalid_request' })]);
    },
  );

  test('may say the charset of its form, leave out values, and hold what nobody knows', async () => {
    await start();
    const fields = { 'Content-Type': 'application/x-www-form-urlencoded; charset=UTF-8' };
    expect((await askForToken(orders(), { ...GOOD, fields, form: 'grant_type=client_credentials&scope=&&audience=a&x' })).status).toBe(200);
  });

  test.each([16_385, undefined])('that is too large is refused without being read to its end: %s bytes announced', async (announced) => {
    await start();
    const framing = announced === undefined ? 'Transfer-Encoding: chunked' : `Content-Length: ${announced}`;
    const caller = await openRaw(scene.address());
    caller.write(
      `POST /tokens/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n${framing}\r\n\r\n`,
    );
    if (announced === undefined) caller.write(`4001\r\n${'x'.repeat(0x4001)}\r\n`);
    expect(await caller.waitFor('"code":"REQUEST_TOO_LARGE"')).toContain('HTTP/1.1 413 ');
    caller.end();
    await caller.closed;
  });

  test('that does not come to its end is refused, and costs its connection', async () => {
    await start({ listener: { limits: { headTimeout: '300ms' } } });
    const caller = await openRaw(scene.address());
    caller.write(
      'POST /tokens/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 100\r\n\r\ngrant_type=',
    );
    const text = await caller.waitFor('"code":"REQUEST_TIMEOUT"');
    expect(text).toContain('HTTP/1.1 408 ');
    expect(text).toContain('connection: close');
    caller.end();
    await caller.closed;
  });

  test('that holds its form back is told to send it, and the next one on the connection is answered too', async () => {
    await start();
    const form = 'grant_type=client_credentials&client_id=billing&client_secret=secret';
    const head = `POST /tokens/orders HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: ${form.length}\r\n`;
    const caller = await openRaw(scene.address());
    caller.write(`${head}Expect: 100-continue\r\n\r\n`);
    await caller.waitFor('HTTP/1.1 100 Continue\r\n\r\n');
    caller.write(`${form}${head}Connection: close\r\n\r\n${form}`);
    expect(await caller.closed).toBe('fin');
    expect(caller.text().split('"access_token":"scripted-access-token"')).toHaveLength(3);
  });

  test('with a body where there is none is refused', async () => {
    await start();
    const answer = await request(orders(), { method: 'GET', ...GOOD, body: 'grant_type=client_credentials' });
    expect([answer.status, answer.json()]).toEqual([400, expect.objectContaining({ error: 'invalid_request' })]);
  });

  test.each(['PUT', 'DELETE', 'OPTIONS', 'PATCH'])('by %s is 405 with what is allowed', async (method) => {
    await start();
    const answer = await request(orders(), { method, ...GOOD });
    expect([answer.status, answer.field('allow')]).toEqual([405, 'GET, HEAD, POST']);
    expect(answer.json()).toMatchObject({ error: 'invalid_request', code: 'ROUTE_METHOD_NOT_ALLOWED' });
  });
});

describe('a token that an upstream refused', () => {
  const aMinuteLater = () => {
    const now = Date.now;
    jest.spyOn(Date, 'now').mockImplementation(() => now() + 60_000);
  };
  const hour = (count: number) => tokenAnswer({ ...GRANTED, access_token: `token-${count}` });
  const given = async (refused?: string) => {
    const form = refused === undefined ? GRANT : { ...GRANT, refused_token: refused };
    return ((await askForToken(orders(), { ...GOOD, form })).json() as { access_token: string }).access_token;
  };

  test('is replaced by another one, once, whoever says so', async () => {
    await start({ token: inTurn(hour(1), hour(2), hour(3)) });
    expect(await given()).toBe('token-1');
    aMinuteLater();
    expect(await Promise.all([given('token-1'), given('token-1')])).toEqual(['token-2', 'token-2']);
    expect(await given('token-1')).toBe('token-2');
    expect(scene.authorizationServer.requests).toHaveLength(2);
  });

  test('is handed out again where it is new, where it is another one, and where there is none to be had', async () => {
    await start({ token: inTurn(hour(1), oauthError('invalid_client')) });
    expect([await given(), await given('token-1'), await given('another')]).toEqual(['token-1', 'token-1', 'token-1']);
    aMinuteLater();
    expect(await given('token-1')).toBe('token-1');
    expect(scene.authorizationServer.requests).toHaveLength(2);
  });
});

describe('the scope', () => {
  test('may be asked for within what the token has, which it then still has', async () => {
    await start();
    const answer = await askForToken(orders(), { ...GOOD, form: { ...GRANT, scope: 'orders.write' } });
    expect(answer.json()).toMatchObject({ scope: GRANTED.scope });
  });

  test.each(['orders.delete', 'orders.read orders.delete', 'ORDERS.READ'])('is not widened: %s', async (scope) => {
    await start();
    const answer = await askForToken(orders(), { ...GOOD, form: { ...GRANT, scope } });
    expect([answer.status, answer.json()]).toEqual([400, expect.objectContaining({ error: 'invalid_scope' })]);
    expect(answer.text()).not.toContain('scripted-access-token');
    expect(await scene.logged('request')).not.toHaveProperty('token');
  });

  test('that the server granted counts, not the one that was asked for', async () => {
    await start({ token: () => tokenAnswer({ scope: 'orders.read' }) });
    expect((await askForToken(orders(), GOOD)).json()).toMatchObject({ scope: 'orders.read' });
    const answer = await askForToken(orders(), { ...GOOD, form: { ...GRANT, scope: 'orders.write' } });
    expect(answer.json()).toMatchObject({ error: 'invalid_scope' });
  });

  test('of a token that says none cannot be asked for, and is not answered', async () => {
    await start({ token: () => tokenAnswer(), tokenConfig: { scope: undefined } });
    expect((await askForToken(orders(), GOOD)).json()).not.toHaveProperty('scope');
    expect((await askForToken(orders(), { ...GOOD, form: { ...GRANT, scope: 'x' } })).json()).toMatchObject({ error: 'invalid_scope' });
  });
});

describe('the caller', () => {
  test.each([
    ['wrong password', { user: 'billing:wrong' }],
    ['unknown user', { user: 'nobody:secret' }],
    ['no credentials', {}],
    ['wrong secret in the form', { form: { ...posted, client_secret: 'wrong' } }],
    ['a client id that another would end in', { form: { ...GRANT, client_id: 'billing:sec', client_secret: 'ret' } }],
    ['a name alone', { form: { ...GRANT, client_id: 'billing' } }],
    ['another scheme', { fields: { Authorization: 'Bearer secret' } }],
    ['malformed Basic', { fields: { Authorization: 'Basic !' } }],
  ])('B01 is asked to prove who it is: %s', async (_what, options) => {
    await start();
    const answer = await askForToken(orders(), options);
    expect([answer.status, answer.field('www-authenticate')]).toEqual([401, 'Basic realm="token-broker", charset="UTF-8"']);
    expect(answer.json()).toMatchObject({ error: 'invalid_client', code: 'CALLER_UNAUTHENTICATED' });
    expect([answer.field('cache-control'), answer.field('pragma')]).toEqual(['no-store', 'no-cache']);
    expect(scene.authorizationServer.requests).toHaveLength(0);
  });

  test('B10 is told the same of a token that it may not have and of one that is not there', async () => {
    await start();
    const asAudit = { user: 'audit:secret' };
    const answers = await Promise.all(
      ['orders', 'nothing', 'constructor', '__proto__'].map((name) => askForToken(`${scene.url()}/tokens/${name}`, asAudit)),
    );
    const said = answers.map((answer) => [answer.status, { ...(answer.json() as object), requestId: 'any' }]);
    expect(new Set(said.map((each) => JSON.stringify(each))).size).toBe(1);
    expect(said[0]).toEqual([400, expect.objectContaining({ error: 'unauthorized_client', code: 'CALLER_FORBIDDEN' })]);
    expect(scene.authorizationServer.requests).toHaveLength(0);
  });

  test('is any that is known where a token says "*", and nobody who is not', async () => {
    await start({ tokenConfig: { callers: ['*'] }, listener: { authenticate: ['basic', 'anonymous'] } });
    expect((await askForToken(orders(), { user: 'audit:secret' })).status).toBe(200);
    expect((await askForToken(orders())).json()).toMatchObject({ error: 'unauthorized_client' });
    expect((await askForToken(orders(), { user: 'audit:wrong' })).status).toBe(401);
    expect((await askForToken(orders(), { form: { ...posted, client_secret: 'wrong' } })).status).toBe(401);
  });

  test('is no web page: cross-site requests and other hosts are refused where "anonymous" is accepted', async () => {
    await start({ tokenConfig: { callers: ['anonymous'] }, listener: { authenticate: ['anonymous'] } });
    expect((await askForToken(orders())).status).toBe(200);
    for (const fields of [{ Origin: 'https://evil.example' }, { 'Sec-Fetch-Site': 'cross-site' }, { Host: 'evil.example' }]) {
      const answer = await askForToken(orders(), { fields });
      expect([answer.status, answer.json()]).toEqual([
        403,
        expect.objectContaining({ error: 'unauthorized_client', code: 'CALLER_FORBIDDEN' }),
      ]);
    }
  });
});

describe('the authorization server', () => {
  test('R01 a thousand requests at once for a token that is not there cost one grant', async () => {
    await start();
    const answers = await Promise.all(Array.from({ length: 1_000 }, () => askForToken(orders(), GOOD)));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([200]));
    expect(scene.authorizationServer.requests).toHaveLength(1);
  });

  test('that is in trouble is 503 with Retry-After, in a form that OAuth clients can read', async () => {
    await start({ token: () => oauthError('server_error', 503) });
    const answer = await askForToken(orders(), GOOD);
    expect([answer.status, answer.field('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)]);
    expect(answer.field('proxy-status')).toBe('token-broker; error=destination_unavailable; details="TOKEN_UNAVAILABLE"');
    expect(answer.json()).toEqual({
      error: 'temporarily_unavailable',
      error_description: 'the authorization server cannot be reached or is in trouble; try again later',
      code: 'TOKEN_UNAVAILABLE',
      requestId: answer.field('x-request-id'),
    });
  });

  test.each([
    ['TOKEN_REJECTED', () => oauthError('invalid_client', 401)],
    ['TOKEN_INVALID', () => tokenAnswer({ token_type: 'mac' })],
  ])('that gives none is 502, not what the caller could take for its own fault: %s', async (code, token) => {
    await start({ token });
    const answer = await askForToken(orders(), GOOD);
    expect([answer.status, answer.json()]).toEqual([502, expect.objectContaining({ error: 'server_error', code })]);
  });

  test('gives a token that ends within a second of its margin: it is not handed out, and soon there is another', async () => {
    await start({ token: inTurn(tokenAnswer({ expires_in: 1 }), tokenAnswer({ access_token: 'another-access-token' })) });
    const early = await askForToken(orders(), GOOD);
    expect([early.status, early.field('retry-after'), early.json()]).toEqual([
      503,
      '1',
      expect.objectContaining({ error: 'temporarily_unavailable' }),
    ]);
    expect((await askForToken(orders(), GOOD)).json()).toMatchObject({ access_token: 'another-access-token' });
  });

  test('hangs: a caller that goes away is noted, and nobody else is held up', async () => {
    await start({ token: hang });
    const leaving = new AbortController();
    const left = askForToken(orders(), { ...GOOD, signal: leaving.signal }).catch(() => 'gone');
    while (scene.authorizationServer.requests.length === 0) await new Promise((resolve) => setImmediate(resolve));
    leaving.abort();
    expect(await left).toBe('gone');
    expect(await scene.logged('request', (line) => line['cut'] === 'caller')).toMatchObject({ path: '/tokens/orders', caller: 'billing' });
  });
});

describe('what is known of a request afterwards', () => {
  test('X01 is in log and metrics like that of any other, and the token in neither', async () => {
    await start();
    await askForToken(orders(), GOOD);
    await askForToken(orders(), { form: { ...posted, client_secret: 'a wrong secret' } });
    const line = await scene.logged('request', ({ status }) => status === 200);
    expect(line).toMatchObject({
      listener: 'local',
      caller: 'billing',
      method: 'POST',
      path: '/tokens/orders',
      token: expect.stringMatching(/^[0-9a-f]{8}$/),
    });
    expect(line).not.toHaveProperty('route');
    const metrics = await scene.metrics();
    expect(metrics).toContain('token_broker_requests_total{listener="local",route="",status="200",code=""} 1');
    expect(metrics).toContain('token_broker_requests_total{listener="local",route="",status="401",code="CALLER_UNAUTHENTICATED"} 1');
    const shown = `${JSON.stringify(scene.log)}${metrics}`;
    expect(shown).not.toContain('scripted-access-token');
    expect(shown).not.toContain('a wrong secret');
  });

  test('of one whose head is refused is told in the same form', async () => {
    await start();
    const caller = await openRaw(scene.address());
    caller.write('POST /tokens/orders HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n');
    expect(await caller.waitFor('"code":"REQUEST_INVALID"')).toContain(
      '{"error":"invalid_request","error_description":"the field \'host\' is',
    );
    caller.end();
    await caller.closed;
  });
});
