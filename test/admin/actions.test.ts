/** `POST /tokens/NAME/renew` and `/purge`: what they do, and that no web page can have them done. */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, type SceneOptions, startScene } from '../helpers/broker.ts';
import { type RequestOptions, request } from '../helpers/http-client.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { inTurn, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';

const closing: Scene[] = [];
afterEach(async () => {
  for (const each of closing.splice(0)) await each.close();
});

async function scene(options: SceneOptions = {}): Promise<Scene> {
  let count = 0;
  const token = () => tokenAnswer({ access_token: `token-${++count}` });
  const started = await startScene({ token, ...options, tokenConfig: { renew: { eager: false, minInterval: '1ms' } } });
  closing.push(started);
  return started;
}

const FIELD = { 'Token-Broker-Admin': '1' };
const act = (scene: Scene, path: string, options: RequestOptions = {}) =>
  request(`${scene.url('admin')}${path}`, { method: 'POST', fields: FIELD, ...options });

describe('the admin actions', () => {
  test('renew has another token made at once, and answers with its facts but not with the token', async () => {
    const started = await scene();
    await request(`${started.url()}/api/x`);
    const answer = await act(started, '/tokens/orders/renew');
    expect(answer.status).toBe(200);
    expect(answer.field('content-type')).toBe('application/json');
    expect(answer.field('cache-control')).toBe('no-store');
    const facts = answer.json() as Record<string, unknown>;
    expect(facts).toEqual({
      token: 'orders',
      state: 'fresh',
      fingerprint: expect.stringMatching(/^[0-9a-f]{8}$/),
      secondsLeft: expect.any(Number),
    });
    expect(answer.text()).not.toContain('token-2');
    await request(`${started.url()}/api/x`);
    expect(started.origin.requests.map(({ field }) => field('authorization')[0])).toEqual(['Bearer token-1', 'Bearer token-2']);
  });

  test('a renewal that fails is told with its code, and the token at hand serves on', async () => {
    const started = await scene({ token: inTurn(tokenAnswer(), oauthError('invalid_scope')) });
    await request(`${started.url()}/api/x`);
    const answer = await act(started, '/tokens/orders/renew');
    expect(answer.status).toBe(502);
    expect(answer.json()).toMatchObject({ token: 'orders', state: 'fresh', code: 'TOKEN_REJECTED' });
    expect((await request(`${started.url()}/api/x`)).status).toBe(200);
  });

  test('renew asks a server that is left alone for its failures: whoever has mended it need not wait', async () => {
    let isBack = false;
    const started = await scene({ token: () => (isBack ? tokenAnswer() : oauthError('server_error', 500)) });
    // Three tries each; five failures in a row open the breaker.
    for (let times = 0; times < 2; times += 1) expect((await act(started, '/tokens/orders/renew')).status).toBe(503);
    const status = (await request(`${started.url('admin')}/status`)).json();
    expect(status).toMatchObject({ authorizationServers: [{ breaker: 'open' }] });
    isBack = true;
    expect((await act(started, '/tokens/orders/renew')).status).toBe(200);
  });

  test('C15 purge drops the token; the next request has one made', async () => {
    const started = await scene();
    await request(`${started.url()}/api/x`);
    const answer = await act(started, '/tokens/orders/purge');
    expect([answer.status, answer.json()]).toEqual([200, { token: 'orders', state: 'none' }]);
    await request(`${started.url()}/api/x`);
    expect(started.origin.requests.at(-1)?.field('authorization')).toEqual(['Bearer token-2']);
    expect(await started.logged('admin action')).toMatchObject({ token: 'orders', action: 'purge' });
  });

  test.each([
    ['without the field', '/tokens/orders/purge', { fields: {} }, 403],
    ['with another value of the field', '/tokens/orders/purge', { fields: { 'Token-Broker-Admin': 'true' } }, 403],
    ['under the name of another site', '/tokens/orders/purge', { fields: { ...FIELD, Host: 'evil.example' } }, 403],
    ['under a name that only begins like loopback', '/tokens/orders/purge', { fields: { ...FIELD, Host: 'localhost.evil.example' } }, 403],
    ['without the field for a token that is not there', '/tokens/nothing/purge', { fields: {} }, 403],
    ['for a token that is not there', '/tokens/nothing/purge', {}, 404],
    ['for a name that every object has', '/tokens/constructor/purge', {}, 404],
    ['for another action', '/tokens/orders/reveal', {}, 404],
    ['for an encoded path', '/tokens/orders%2Fpurge', {}, 404],
    ['by GET', '/tokens/orders/purge', { method: 'GET' }, 405],
    ['by OPTIONS, as a page would ask first', '/tokens/orders/purge', { method: 'OPTIONS' }, 405],
  ])('%s nothing is done', async (_what, path, options, status) => {
    const started = await scene();
    await request(`${started.url()}/api/x`);
    const answer = await act(started, path, options);
    expect(answer.status).toBe(status);
    expect(answer.field('allow')).toBe(status === 405 ? 'POST' : undefined);
    await request(`${started.url()}/api/x`);
    expect(started.authorizationServer.requests).toHaveLength(1);
  });

  test.each(['localhost', '[::1]:9099', 'admin.internal', 'Admin.Internal:9099'])('the name %s is accepted', async (host) => {
    const started = await scene({ config: { admin: { address: '127.0.0.1:0', hosts: ['admin.internal'] } } });
    expect((await act(started, '/tokens/orders/purge', { fields: { ...FIELD, Host: host } })).status).toBe(200);
  });

  test('under two names, the first of them of loopback, nothing is done', async () => {
    const started = await scene();
    const head = 'POST /tokens/orders/purge HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\nToken-Broker-Admin: 1\r\n';
    const { text } = await sendRaw(started.address('admin'), `${head}Connection: close\r\n\r\n`);
    expect(text).toMatch(/^HTTP\/1\.1 403 /);
  });

  test('tokens made from what callers bring can be purged, and not renewed', async () => {
    const started = await startScene({
      tokenConfig: { grant: 'token_exchange', subject: 'caller' },
    });
    closing.push(started);
    const bearer = { fields: { Authorization: 'Bearer of-a-caller' } };
    await request(`${started.url()}/api/x`, bearer);
    expect((await act(started, '/tokens/orders/renew')).status).toBe(404);
    const answer = await act(started, '/tokens/orders/purge');
    expect([answer.status, answer.json()]).toEqual([200, { token: 'orders', state: 'none' }]);
    await request(`${started.url()}/api/x`, bearer);
    expect(started.authorizationServer.requests).toHaveLength(2);
  });

  test('on a Unix socket any name is fine', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'token-broker-admin-'));
    await scene({ config: { admin: { address: `unix:${folder}/admin.sock` } } });
    const answer = await request('http://anything.example/tokens/orders/purge', {
      method: 'POST',
      fields: FIELD,
      socketPath: `${folder}/admin.sock`,
    });
    expect(answer.status).toBe(200);
    await rm(folder, { recursive: true });
  });

  test('the probes address has none', async () => {
    const started = await scene({ config: { probes: { address: '127.0.0.1:0' } } });
    for (const action of ['renew', 'purge'])
      expect((await request(`${started.url('probes')}/tokens/orders/${action}`, { method: 'POST', fields: FIELD })).status).toBe(404);
  });
});
