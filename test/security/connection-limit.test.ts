/** The attack: open connections until nobody else gets one. */

import { afterEach, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { openRaw, type RawConnection } from '../helpers/raw-client.ts';
import { hang } from '../helpers/scripted-answers.ts';

let scene: Scene;
const open: RawConnection[] = [];
afterEach(async () => {
  for (const { socket } of open.splice(0)) socket.destroy();
  await scene.close();
});

const GET = 'GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n';

test('S08 the address for probes keeps a hundred connections, and who says nothing keeps nobody out', async () => {
  scene = await startScene({ config: { probes: { address: '127.0.0.1:0' } } });
  for (let i = 0; i < 100; i += 1) open.push(await openRaw(scene.address('probes')));
  const silent = open.slice(0, 3);
  for (let i = 0; i < 3; i += 1) {
    const probe = await openRaw(scene.address('probes'));
    open.push(probe);
    probe.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
    expect(await probe.waitFor('ok\n')).toMatch(/^HTTP\/1\.1 200 /);
  }
  for (const each of silent) expect(['fin', 'reset']).toContain(await each.closed);
  expect(silent.map((each) => each.text())).toEqual(['', '', '']);
});

test('S08 a hundred who wait for their answers keep nobody out of the admin address', async () => {
  scene = await startScene({ token: hang });
  for (let i = 0; i < 100; i += 1) {
    const waiting = await openRaw(scene.address('admin'));
    open.push(waiting);
    waiting.write('POST /tokens/orders/renew HTTP/1.1\r\nHost: localhost\r\nToken-Broker-Admin: 1\r\nContent-Length: 0\r\n\r\n');
  }
  await scene.authorizationServer.untilRequests(1);
  expect((await request(`${scene.url('admin')}/livez`)).status).toBe(200);
});

test('S08 connections beyond the cap are closed at once, those before go on, and one that leaves makes room', async () => {
  const limits = { maxConnections: 5 };
  scene = await startScene({ config: { listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'], limits } } } });
  for (let i = 0; i < 5; i += 1) {
    const connection = await openRaw(scene.address());
    open.push(connection);
    connection.write(GET);
    await connection.waitFor('ok');
  }
  for (let i = 0; i < 20; i += 1) {
    const refused = await openRaw(scene.address());
    expect(['fin', 'reset']).toContain(await refused.closed);
    expect(refused.text()).toBe('');
  }
  expect(await scene.metrics()).toMatch(/^token_broker_connections_refused_total\{listener="local",reason="full"\} 20$/m);
  // Whoever opens thousands of them does not write the log.
  expect(scene.log.filter(({ msg }) => msg === 'connections refused: as many are open as may be')).toHaveLength(1);
  for (const connection of open) {
    connection.write(GET);
    await connection.waitFor(/ok[\s\S]*ok/);
  }
  open.shift()?.reset();
  for (;;) {
    const next = await openRaw(scene.address());
    next.write(GET);
    if (await next.waitFor('ok').catch(() => undefined)) {
      open.push(next);
      break;
    }
  }
  expect(open).toHaveLength(5);
});
