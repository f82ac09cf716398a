import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { freePort } from '../helpers/redis.ts';
import { inTurn, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import type { Script } from '../helpers/scripted-server.ts';
import { run } from './run.ts';

const closing: { close(): Promise<void> }[] = [];
afterEach(async () => {
  for (const each of closing.splice(0)) await each.close();
});

async function scene(token: Script, admin?: string): Promise<Scene> {
  const started = await startScene({
    token,
    tokenConfig: { renew: { eager: false, minInterval: '1ms' } },
    config: admin === undefined ? {} : { admin: { address: `unix:${admin}` } },
  });
  closing.push(started);
  return started;
}

const tokensInTurn = (): Script => {
  let count = 0;
  return () => tokenAnswer({ access_token: `token-${++count}` });
};
const act = (started: Scene, action: 'renew' | 'purge', name = 'orders') => run([action, name, '--admin', started.url('admin')]);
const sentLast = (started: Scene) => started.origin.requests.at(-1)?.field('authorization');

describe('token-broker renew', () => {
  test('has another token made at once, and says what is known of it', async () => {
    const started = await scene(tokensInTurn());
    await request(`${started.url()}/api/x`);
    expect(await act(started, 'renew')).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^orders: fresh, [0-9a-f]{8}, 3[56]\d\ds left\n$/),
      stderr: '',
    });
    await request(`${started.url()}/api/x`);
    expect(sentLast(started)).toEqual(['Bearer token-2']);
  });

  test('says what went wrong, with 1', async () => {
    const started = await scene(inTurn(tokenAnswer(), oauthError('invalid_scope')));
    await request(`${started.url()}/api/x`);
    const { code, stdout, stderr } = await act(started, 'renew');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^TOKEN_REJECTED: .* \(orders: fresh, [0-9a-f]{8}, 3[56]\d\ds left\)\n$/);
  });
});

describe('token-broker purge', () => {
  test('has a token dropped, and the next request has one made', async () => {
    const started = await scene(tokensInTurn());
    await request(`${started.url()}/api/x`);
    expect(await act(started, 'purge')).toEqual({ code: 0, stdout: 'orders: none\n', stderr: '' });
    await request(`${started.url()}/api/x`);
    expect(sentLast(started)).toEqual(['Bearer token-2']);
  });

  test('reaches a broker on its Unix socket', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'token-broker-admin-'));
    closing.push({ close: () => rm(folder, { recursive: true }) });
    const path = join(folder, 'admin.sock');
    closing.unshift(await scene(tokensInTurn(), path));
    closing.splice(2, 1);
    expect(await run(['purge', 'orders', '--admin', `unix:${path}`])).toEqual({ code: 0, stdout: 'orders: none\n', stderr: '' });
  });

  test.each(['nobody', 'a/b', '../orders', 'ö'])('says of "%s" that there is no such token, with 1', async (name) => {
    const started = await scene(tokensInTurn());
    const { code, stdout, stderr } = await act(started, 'purge', name);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^404: /);
  });
});

describe('where nobody can be asked', () => {
  test('no broker: says where it looked, with 1', async () => {
    const admin = `http://127.0.0.1:${await freePort()}`;
    const { code, stderr } = await run(['renew', 'orders', '--admin', admin]);
    expect([code, stderr]).toEqual([1, `no broker answers at ${admin} (ECONNREFUSED); --admin names its "admin.address"\n`]);
  });

  test.each(['127.0.0.1:9099', 'https://127.0.0.1:9099', 'unix:', ''])('"%s" is no address: 2', async (admin) => {
    const { code, stderr } = await run(['renew', 'orders', '--admin', admin]);
    expect(code).toBe(2);
    expect(stderr).toContain('write http://HOST:PORT or unix:PATH');
  });
});
