/** Who comes to a listener with TLS and does not agree on it: no request tells of him, so the log and the metrics do. */

import { connect as connectTcp } from 'node:net';
import { connect } from 'node:tls';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';

let scene: Scene;
let ca: string;
beforeEach(async () => {
  const authority = await sharedAuthority();
  ca = authority.certificate;
  const { cert, key } = await authority.issueServer();
  const tls = { cert: { unsafeInline: cert }, key: { unsafeInline: key } };
  scene = await startScene({
    config: { listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'], tls, limits: { headTimeout: '1m' } } } },
  });
});
afterEach(() => scene.close());

const port = () => Number(new URL(scene.url()).port);
const counted = async () =>
  /^token_broker_connections_refused_total\{listener="local",reason="handshake"\} (\d+)$/m.exec(await scene.metrics())?.[1];

test('an older version of TLS than the listener speaks', async () => {
  const old = { minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
  const socket = connect({ port: port(), host: '127.0.0.1', servername: 'localhost', ca, ...old }).on('error', () => undefined);
  expect(await scene.logged('handshake of a caller failed')).toMatchObject({
    level: 'info',
    listener: 'local',
    reason: 'unsupported_protocol',
  });
  expect(await counted()).toBe('1');
  socket.destroy();
});

test('no TLS at all', async () => {
  const socket = connectTcp(port(), '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')).on(
    'error',
    () => undefined,
  );
  expect(await scene.logged('handshake of a caller failed')).toMatchObject({ listener: 'local', reason: 'http_request' });
  socket.destroy();
});

/** Resolves once the broker has closed. */
const speaksPlain = () =>
  new Promise((resolve) => {
    const socket = connectTcp(port(), '127.0.0.1', () => socket.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n'));
    socket.on('error', () => undefined).on('close', resolve);
    socket.resume();
  });

test('a scanner is told of once, and each of its connections is counted', async () => {
  await Promise.all(Array.from({ length: 20 }, speaksPlain));
  const old = connect({ port: port(), host: '127.0.0.1', ca, maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' });
  await new Promise((resolve) => old.on('error', () => undefined).on('close', resolve));
  expect(await counted()).toBe('21');
  const told = scene.log.filter(({ msg }) => msg === 'handshake of a caller failed').map(({ reason }) => reason);
  expect(told).toEqual(['http_request', 'unsupported_protocol']);
});

test('who leaves in the middle of it is gone at once, and is not waited for', async () => {
  await new Promise((resolve) => {
    const socket = connectTcp({ port: port(), host: '127.0.0.1', allowHalfOpen: true }, () => socket.end());
    socket.on('close', resolve).resume();
  });
  expect(await counted()).toBe('0');
});

test('nobody is told of who only looks whether somebody is there, or agrees', async () => {
  await new Promise((resolve) => {
    const socket = connectTcp(port(), '127.0.0.1', () => socket.resetAndDestroy()).on('close', resolve);
  });
  expect((await request(`${scene.url()}/api/x`, { tls: { ca } })).status).toBe(200);
  expect(scene.log.filter(({ msg }) => msg === 'handshake of a caller failed')).toEqual([]);
  expect(await counted()).toBe('0');
});
