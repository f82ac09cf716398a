/**
 * The attack: ask the small addresses for what takes long to make, thousands of times in one breath. Whoever made each answer anew would answer
 * nobody else meanwhile.
 */

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, test } from '@jest/globals';
import { createProbesServer } from '../../src/admin/admin-server.ts';
import type { BrokerStatus } from '../../src/admin/status.ts';
import { type Scene, startScene } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { request } from '../helpers/http-client.ts';
import { openRaw } from '../helpers/raw-client.ts';

let scene: Scene | undefined;
afterEach(async () => {
  await scene?.close();
  scene = undefined;
});
const closed = closedAfterEach();

const GET = (path: string) => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`;

test.each(['/metrics', '/status', '/readyz?verbose'])('S08 twenty thousand who ask for %s in one breath are sent away', async (path) => {
  scene = await startScene({ config: { probes: { address: '127.0.0.1:0' } } });
  for (const name of path === '/status' ? ['admin'] : ['admin', 'probes']) {
    const greedy = await openRaw(scene.address(name));
    greedy.write(GET(path).repeat(20_000));
    expect(['fin', 'reset']).toContain(await greedy.closed);
    expect((await request(`${scene.url(name)}/livez`)).status).toBe(200);
  }
});

test('S08 what ten ask for in one breath is made once, and each is answered', async () => {
  let made = 0;
  const status = () => {
    made += 1;
    return { tokens: [] as BrokerStatus['tokens'] } as BrokerStatus;
  };
  const metrics = async () => {
    made += 1;
    return { contentType: 'text/plain', text: 'all metrics\n' };
  };
  const probes = closed(createProbesServer({ notReady: () => undefined, status, metrics }));
  const server = closed(createServer((socket) => probes.accept(socket)).listen(0, '127.0.0.1'));
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  for (const [path, text] of [
    ['/metrics', 'all metrics\n'],
    ['/readyz?verbose', 'ok\n'],
  ] as const) {
    made = 0;
    const caller = await openRaw({ port });
    caller.write(GET(path).repeat(10));
    await caller.waitFor((heard) => heard.split(text).length === 11);
    expect(made).toBe(1);
    caller.write(GET(path));
    await caller.waitFor((heard) => heard.split(text).length === 12);
    expect(made).toBe(2);
    caller.socket.destroy();
  }
});
