/**
 * The attack: a caller asks to change the protocol to HTTP/2 in the clear, or to TLS. An upstream that agrees gives it a tunnel in which it sends
 * requests of its own, past the paths, methods and fields that the route allows (h2c smuggling).
 */

import { afterEach, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { openRaw } from '../helpers/raw-client.ts';

let scene: Scene;
afterEach(() => scene.close());

const agreed = (protocol: string) => `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${protocol}\r\n\r\n`;

test.each(['h2c', 'h2', 'websocket,H2C', 'HTTP/2.0, websocket', 'h2-14', 'TLS/1.2'])(
  'S10 no tunnel leads past the route by "Upgrade: %s"',
  async (protocols) => {
    scene = await startScene({
      route: { upgrade: true },
      origin: (asked) => (asked.field('upgrade').length > 0 ? agreed('h2c') : 'HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok'),
    });
    const caller = await openRaw(scene.address());
    caller.write(
      `GET /api/x HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABk\r\nUpgrade: ${protocols}\r\n\r\n`,
    );
    expect(await caller.waitFor('\r\n\r\nok')).toMatch(/^HTTP\/1\.1 200 /);
    caller.socket.destroy();
    expect(scene.origin.requests.map((each) => [each.field('upgrade'), each.field('connection')])).toEqual([[[], []]]);
  },
);
