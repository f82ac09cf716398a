/** A connection whose TLS handshake ends after the drain has sent the idle away is too late: it must not hold the drain up. */

import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { openRaw } from '../helpers/raw-client.ts';

test('L02 a TLS handshake that ends late in a drain is answered by closing', async () => {
  const authority = await createAuthority();
  const { cert, key } = await authority.issueServer();
  let finish: () => void = () => {};
  const scene: Scene = await startScene({
    origin: (_asked, connection) => {
      connection.write('HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\nhalf');
      finish = () => connection.write('done');
      return undefined;
    },
    config: {
      listeners: {
        local: {
          address: '127.0.0.1:0',
          authenticate: ['anonymous'],
          // Would outlast the test.
          limits: { headTimeout: '5m' },
          tls: { cert: { unsafeInline: cert }, key: { unsafeInline: key } },
        },
      },
      shutdown: { grace: '10m' },
    },
  });
  const tls = { ca: authority.certificate };
  const busy = await openRaw(scene.address(), { tls });
  busy.write('GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await busy.waitFor('half');
  const late = await connected(scene.address());
  const drained = scene.broker.drain();
  await scene.logged('draining');
  // Past the moment at which idle connections are closed.
  await new Promise((resolve) => setTimeout(resolve, 600));
  const handshake = connectTls({ socket: late, servername: 'localhost', ...tls }).on('error', () => undefined);
  await new Promise((resolve) => handshake.on('close', resolve).resume());
  finish();
  await busy.waitFor('halfdone');
  expect(await drained).toBe(0);
  await scene.close();
});

test('L08 whoever is in the handshake when another config takes over is let in under the old one, and served', async () => {
  const authority = await createAuthority();
  const { cert, key } = await authority.issueServer();
  const tls = { ca: authority.certificate };
  const listener = {
    address: '127.0.0.1:0',
    authenticate: ['anonymous'],
    tls: { cert: { unsafeInline: cert }, key: { unsafeInline: key } },
  };
  const scene = await startScene({ config: { listeners: { local: listener } } });
  const late = await connected(scene.address());
  // Connections are taken in their order: the one before has been.
  const idle = await openRaw(scene.address(), { tls });
  idle.write('GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n');
  await idle.waitFor(/ok$/);
  const retired = scene.broker.retire();
  // The idle have been sent away.
  await idle.closed;
  const caller = connectTls({ socket: late, servername: 'localhost', ...tls });
  caller.write('GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n');
  const said: Buffer[] = [];
  for await (const chunk of caller) said.push(chunk as Buffer);
  expect(Buffer.concat(said).toString()).toMatch(/^HTTP\/1\.1 200 .*\r\nconnection: close\r\n\r\nok$/s);
  expect(await retired).toBe(0);
  await scene.close();
});

async function connected(address: string): Promise<Socket> {
  const [host = '', port = ''] = address.split(':');
  const socket = connect({ host, port: Number(port) });
  await new Promise((resolve) => socket.once('connect', resolve));
  return socket;
}
