import { readFile } from 'node:fs/promises';
import { afterEach, describe, expect, test } from '@jest/globals';
import { type BrokerProcess, spawnBroker, startBrokerProcess } from './broker-process.ts';
import { request } from './http-client.ts';
import { answerWith } from './scripted-answers.ts';
import { startScriptedServer } from './scripted-server.ts';

const running: BrokerProcess[] = [];

afterEach(async () => {
  for (const broker of running.splice(0)) await broker.close();
});

const listeners = { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } };

describe('the broker in a process of its own', () => {
  test('serves a request, tells its addresses, and ends with 0 on SIGTERM', async () => {
    const origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
    const routes = { api: { path: '/api', callers: ['anonymous'], token: null, upstream: origin.url } };
    const broker = await startBrokerProcess({ config: { listeners, routes } });
    running.push(broker);
    expect((await request(`${broker.url()}/api`)).text()).toBe('ok');
    expect((await request(`${broker.url('admin')}/livez`)).status).toBe(200);
    await broker.logged('request', (line) => line['route'] === 'api');
    broker.signal('SIGTERM');
    expect(await broker.exited).toEqual({ code: 0, signal: null });
    expect(broker.stderr()).toBe('');
    await origin.close();
  });

  test('fails with all that it said when the config cannot be used', async () => {
    await expect(startBrokerProcess({ config: { listenerz: {} } })).rejects.toThrow('"listenerz"');
    const broker = await spawnBroker({ config: '{' });
    running.push(broker);
    expect((await broker.exited).code).toBe(2);
  });

  test('has its files beside the config, which can be replaced', async () => {
    const broker = await startBrokerProcess({ config: { listeners }, files: { secret: 'old' } });
    running.push(broker);
    await broker.replace('secret', 'new');
    expect(await readFile(`${broker.directory}/secret`, 'utf8')).toBe('new');
  });
});
