/**
 * The attack: whoever guards the way to the listener, a proxy or a policy, lets `/tokens/orders` through for few. Somebody writes the path
 * in another way, so that the guard sees another path and the broker the same one. Or asks by it without credentials.
 */

import { afterEach, expect, test } from '@jest/globals';
import { openRaw } from '../helpers/raw-client.ts';
import { startTokenEndpoint, type TokenEndpointScene } from '../helpers/token-endpoint.ts';

let scene: TokenEndpointScene;
afterEach(() => scene.close());

const AUTHORIZATION = `Authorization: Basic ${Buffer.from('billing:secret').toString('base64')}\r\n`;

async function statusOf(target: string, fields: string, method = 'GET'): Promise<string> {
  const caller = await openRaw(scene.address());
  caller.write(`${method} ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${fields}\r\n`);
  await caller.closed;
  const status = caller.text().slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length);
  expect([target, caller.text().includes('scripted-access-token')]).toEqual([target, status === '200']);
  return status;
}

test('B11 only the exact path answers, whoever asks', async () => {
  scene = await startTokenEndpoint();
  expect(await statusOf('/tokens/orders', AUTHORIZATION)).toBe('200');
  const odd = [
    '/Tokens/orders',
    '/tokens/Orders',
    '/TOKENS/ORDERS',
    '//tokens/orders',
    '/tokens//orders',
    '/tokens/orders/',
    '/tokens/orders//',
    '/tokens/%6frders',
    '/tokens%2forders',
    '/%74okens/orders',
    '/tokens/orders%00',
    '/tokens/orders;x',
    '/tokens/orders.json',
    '/tokens/orders?',
    '/tokens/orders?scope=orders.read',
    '/tokens/./orders',
    '/tokens/x/../orders',
    '/tokens/x/%2e%2e/orders',
    '/tokens/\\orders',
    '/tokens/',
    '/tokens',
    '/',
    '*',
    'tokens/orders',
    '/token/orders',
    '/tokens/orders/renew',
  ];
  for (const target of odd) expect([target, await statusOf(target, AUTHORIZATION)]).toEqual([target, expect.stringMatching(/^40[04]$/)]);
  expect(scene.authorizationServer.requests).toHaveLength(1);
});

test('B11 nothing that a probe or a proxy would say opens the path without credentials', async () => {
  scene = await startTokenEndpoint();
  const claims = [
    'User-Agent: kube-probe/1.33\r\n',
    'X-Forwarded-User: billing\r\n',
    'X-Original-URL: /livez\r\n',
    'X-HTTP-Method-Override: GET\r\n',
    'Proxy-Authorization: Basic YmlsbGluZzpzZWNyZXQ=\r\n',
    'Forwarded: for=127.0.0.1\r\n',
  ];
  for (const claim of claims) expect([claim, await statusOf('/tokens/orders', claim)]).toEqual([claim, '401']);
  for (const path of ['/livez', '/readyz', '/metrics', '/status']) expect(await statusOf(path, '')).toBe('404');
  // A whole URL is the same path of the same server (RFC 9112 §3.2.2): credentials for a proxy open nothing, those for the server do.
  const proxyCredentials = AUTHORIZATION.replace('Authorization', 'Proxy-Authorization');
  expect(await statusOf('http://broker.example/tokens/orders', proxyCredentials)).toBe('401');
  expect(await statusOf('http://broker.example/tokens/orders', AUTHORIZATION)).toBe('200');
});
