/**
 * The attack: a field that is made to be slow to read. Names are folded as lenient servers read them, and protocols compared with those that were
 * offered; who does that in a time that grows with the square of their length holds up everybody else.
 */

import { afterEach, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { openRaw, sendRaw } from '../helpers/raw-client.ts';

let scene: Scene;
afterEach(() => scene.close());

const LIMITS = { maxHeader: '1MiB' };

test.each([
  ['dashes', `x${'-'.repeat(1_000_000)}_x`],
  ['what is read as dashes', `x${'_.'.repeat(500_000)}x`],
])('H13 a name of a million %s costs no more than another', async (_what, name) => {
  const listener = { address: '127.0.0.1:0', authenticate: ['anonymous'], limits: LIMITS };
  scene = await startScene({ config: { listeners: { local: listener } } });
  const { text } = await sendRaw(scene.address(), `GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${name}: 1\r\n\r\n`);
  expect(text).toMatch(/^HTTP\/1\.1 200 /);
  expect(scene.origin.requests[0]?.field(name)).toEqual(['1']);
});

test('S10 an upstream that agrees to thousands of protocols, of hundreds of thousands that were offered, is heard at once', async () => {
  const listener = { address: '127.0.0.1:0', authenticate: ['anonymous'], limits: LIMITS };
  scene = await startScene({
    route: { upgrade: true },
    origin: () => `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${'z,'.repeat(30_000)}z\r\n\r\n`,
    config: { listeners: { local: listener } },
  });
  const caller = await openRaw(scene.address());
  caller.write(`GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: ${'y,'.repeat(500_000)}z\r\n\r\n`);
  expect(await caller.waitFor('\r\n\r\n')).toMatch(/^HTTP\/1\.1 101 /);
  caller.socket.destroy();
});
