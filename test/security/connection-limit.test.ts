/** The attack: open connections until nobody else gets one. */

import { afterEach, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { openRaw, type RawConnection } from '../helpers/raw-client.ts';

let scene: Scene;
const open: RawConnection[] = [];
afterEach(async () => {
  for (const { socket } of open.splice(0)) socket.destroy();
  await scene.close();
});

const GET = 'GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n';

test('S08 the address for probes takes a hundred connections, and cuts those that say nothing', async () => {
  scene = await startScene({ config: { probes: { address: '127.0.0.1:0' } } });
  for (let i = 0; i < 100; i += 1) open.push(await openRaw(scene.address('probes')));
  const refused = await openRaw(scene.address('probes'));
  expect(['fin', 'reset']).toContain(await refused.closed);
  open.shift()?.reset();
  for (;;) {
    const answer = await fetch(`${scene.url('probes')}/livez`).catch(() => undefined);
    if (answer?.status === 200) break;
  }
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
