/** Client libraries find the token endpoint of a token by its URL, which is its issuer (RFC 8414). */

import { afterEach, describe, expect, test } from '@jest/globals';
import * as oauth from 'openid-client';
import { request } from '../helpers/http-client.ts';
import { Http2Caller } from '../helpers/http2-client.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { secureListener, startTokenEndpoint, type TokenEndpointOptions, type TokenEndpointScene } from '../helpers/token-endpoint.ts';

const closers: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

async function start(options?: TokenEndpointOptions): Promise<TokenEndpointScene> {
  const scene = await startTokenEndpoint(options);
  closers.push(scene.close);
  return scene;
}

const WELL_KNOWN = '/.well-known/oauth-authorization-server';

test('a client library gets a token with the issuer alone', async () => {
  const issuer = new URL(`${(await start()).url()}/tokens/orders`);
  const options = { algorithm: 'oauth2' as const, execute: [oauth.allowInsecureRequests] };
  const client = await oauth.discovery(issuer, 'billing', undefined, oauth.ClientSecretBasic('secret'), options);
  expect(await oauth.clientCredentialsGrant(client)).toMatchObject({ access_token: 'scripted-access-token' });
});

describe('the metadata', () => {
  test('say how to ask, are for everybody, and are not kept on the way', async () => {
    const scene = await start();
    const answer = await request(`${scene.url()}${WELL_KNOWN}/tokens/orders`);
    const endpoint = `${scene.url()}/tokens/orders`;
    expect([answer.status, answer.field('content-type'), answer.field('cache-control')]).toEqual([200, 'application/json', 'no-store']);
    expect(answer.json()).toEqual({
      issuer: endpoint,
      token_endpoint: endpoint,
      grant_types_supported: ['client_credentials'],
      response_types_supported: [],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
    });
    const head = await request(`${scene.url()}${WELL_KNOWN}/tokens/orders`, { method: 'HEAD' });
    expect([head.status, head.body.length, head.field('content-length')]).toEqual([200, 0, String(answer.body.length)]);
    expect(scene.authorizationServer.requests).toEqual([]);
  });

  test('name the scheme and the ways of the listener, over HTTP/1.1 and HTTP/2', async () => {
    const { ca, listener } = await secureListener(['mtls', 'basic']);
    const scene = await start({ listener });
    const one = await request(`${scene.url()}${WELL_KNOWN}/tokens/orders`, { tls: { ca } });
    const caller = new Http2Caller(scene.url(), { ca });
    closers.push(() => caller.close());
    const two = await caller.ask({ path: `${WELL_KNOWN}/tokens/orders` });
    expect(one.json()).toMatchObject({
      issuer: `${scene.url()}/tokens/orders`,
      token_endpoint_auth_methods_supported: ['tls_client_auth', 'client_secret_basic', 'client_secret_post'],
    });
    expect(JSON.parse(two.body.toString())).toEqual(one.json());
  });

  test('tell nobody which tokens there are', async () => {
    const scene = await start();
    const ask = async (name: string) => (await request(`${scene.url()}${WELL_KNOWN}/tokens/${name}`)).body.toString();
    expect((await ask('absent')).replaceAll('absent', 'orders')).toBe(await ask('orders'));
  });

  test('are of the name that the client used, however it is spelled', async () => {
    const scene = await start();
    const ask = async (Host: string) => (await request(`${scene.url()}${WELL_KNOWN}/tokens/orders`, { fields: { Host } })).json();
    expect(await ask('Broker.Example:80')).toMatchObject({ issuer: 'http://broker.example/tokens/orders' });
    expect(await ask('[::1]:8090')).toMatchObject({ issuer: 'http://[::1]:8090/tokens/orders' });
  });

  test.each(['1.0\r\n', '1.1\r\nHost: \r\nConnection: close\r\n', '1.1\r\nHost: 1.2.3.4.5\r\nConnection: close\r\n'])(
    'need a host: %j',
    async (rest) => {
      const scene = await start();
      const { text } = await sendRaw(scene.address(), `GET ${WELL_KNOWN}/tokens/orders HTTP/${rest}\r\n`);
      expect(text).toMatch(/^HTTP\/1\.1 400 .*"code":"REQUEST_INVALID"/s);
    },
  );

  test.each([
    ['', 404],
    ['/', 404],
    ['/tokens/', 404],
    ['/tokens/orders/', 404],
    ['/tokens/orders?x', 404],
    ['/tokens/%6frders', 404],
    ['/tokens/orders', 405, 'POST'],
  ])('are not at "%s", or by another method: %i', async (path, status, method = 'GET') => {
    const answer = await request(`${(await start()).url()}${WELL_KNOWN}${path}`, { method });
    expect([answer.status, answer.field('allow')]).toEqual([status, status === 405 ? 'GET, HEAD' : undefined]);
  });
});
