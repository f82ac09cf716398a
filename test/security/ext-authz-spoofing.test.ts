/**
 * The attack: a client of the proxy writes into its own request the fields in which a proxy tells us what it was asked for, so that we judge
 * another request than the one that is sent (GHSA-7x63-xv5r-3p2x), or it asks for a path that we read in another way than the upstream.
 */

import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { type Scene, startScene } from '../helpers/broker.ts';
import { ask, checkLines, DIALECTS, type Dialect } from '../helpers/ext-authz.ts';

let scene: Scene;
beforeAll(async () => {
  scene = await startScene({
    config: {
      listeners: Object.fromEntries(
        DIALECTS.map((dialect) => [dialect, { address: '127.0.0.1:0', serve: 'ext-authz', dialect, authenticate: ['anonymous'] }]),
      ),
    },
  });
});
afterAll(() => scene.close());

/** Where other proxies say it, and what else could be taken for it. */
const ALLOWED = [
  'X-Original-Method: GET',
  'X-Original-URL: http://localhost/api/x',
  'X-Original-URI: /api/x',
  'X-Forwarded-Method: GET',
  'X-Forwarded-Host: localhost',
  'X-Forwarded-Uri: /api/x',
  'X-Auth-Request-Redirect: /api/x',
  'X-Envoy-Original-Path: /api/x',
  'X-Envoy-Original-Method: GET',
  'X-Rewrite-URL: /api/x',
  'X-Http-Method-Override: GET',
  'X_Forwarded_Uri: /api/x',
  'X_Original_URL: http://localhost/api/x',
  'Forwarded: host=localhost;proto=https',
];

const nameOf = (line: string) => line.split(':', 1)[0]?.toLowerCase();
const OWN = (dialect: Dialect) => checkLines(dialect, {}).slice(2).map(nameOf);
const foreign = (dialect: Dialect) => ALLOWED.filter((line) => !OWN(dialect).includes(nameOf(line)));

/** The status; expects that no token left. */
async function refusalOf(dialect: Dialect, lines: readonly string[]): Promise<number> {
  const verdict = await ask(scene.address(dialect), lines);
  expect([...verdict.all('authorization'), verdict.body.includes('scripted-access-token')]).toEqual([false]);
  return verdict.status;
}

describe.each(DIALECTS)('at a listener for %s', (dialect) => {
  test('N05 what a client says in the words of other proxies counts for nothing', async () => {
    expect(foreign(dialect).length).toBeGreaterThan(8);
    const forbidden = checkLines(dialect, { uri: '/forbidden' });
    for (const line of foreign(dialect)) expect([line, await refusalOf(dialect, [...forbidden, line])]).toEqual([line, 404]);
    expect(await refusalOf(dialect, [...forbidden, ...foreign(dialect)])).toBe(404);
    // And it does no harm either.
    const spoofed = foreign(dialect).map((line) => line.replace('/api/x', '/forbidden').replace('GET', 'TRACE'));
    expect((await ask(scene.address(dialect), [...checkLines(dialect, {}), ...spoofed])).status).toBe(200);
  });

  test('N05 what is said twice is refused, whichever comes first', async () => {
    const [line = '', host = '', ...own] = checkLines(dialect, {});
    for (const each of own.filter((field) => !/-(?:Proto|For):/.test(field))) {
      expect([each, await refusalOf(dialect, [line, host, ...own, each])]).toEqual([each, 400]);
      expect([each, await refusalOf(dialect, [line, host, each.toLowerCase(), ...own])]).toEqual([each, 400]);
      const without = own.filter((field) => field !== each);
      expect([each, await refusalOf(dialect, [line, host, ...without])]).toEqual([each, 400]);
      expect([each, await refusalOf(dialect, [line, host, ...without, `${each.split(':', 1)[0]}:`])]).toEqual([each, 400]);
    }
  });

  test.each([
    '/api/../forbidden',
    '/forbidden/../api/x',
    '/api/%2e%2e/forbidden',
    '/api/.%2E/forbidden',
    '/api/..%2fforbidden',
    '/api/x/..',
    '/api/..;/forbidden',
    '/api%5c..%5cforbidden',
    '/api\\..\\forbidden',
    '/api/x#/forbidden',
    '/api/x /forbidden',
    '/api/\x7f',
    '/api/\xe9',
    '//localhost/api/x',
    '',
    '*',
    'api/x',
  ])('H09 the target %j is refused', async (uri) => {
    expect([400, 404]).toContain(await refusalOf(dialect, checkLines(dialect, { uri })));
  });

  test.each(['/%61pi/x', '//api/x', '/API/x', '/api%2fx', '/apix'])(
    'H09 the target %j is another one than that of the route',
    async (uri) => {
      expect(await refusalOf(dialect, checkLines(dialect, { uri }))).toBe(404);
    },
  );

  test.each([
    ['TRACE', 405],
    ['CONNECT', 501],
    ['get', 400],
    ['G ET', 400],
    ['GET, POST', 400],
  ])('the method %j is refused with %d', async (method, status) => {
    expect(await refusalOf(dialect, checkLines(dialect, { method }))).toBe(status);
  });

  test('a host that is none is refused, and so is a whole URL where there should be a part', async () => {
    for (const host of ['a b', 'localhost, evil.example', 'localhost:99999', '']) {
      expect([host, await refusalOf(dialect, checkLines(dialect, { host }))]).toEqual([host, 400]);
    }
    expect(await refusalOf(dialect, checkLines(dialect, { host: 'user@localhost' }))).toBe(400);
    const [line = '', ...fields] = checkLines(dialect, {});
    const [method = '', target = ''] = line.split(' ');
    expect(await refusalOf(dialect, [`${method} http://localhost${target} HTTP/1.1`, ...fields])).toBe(400);
    if (dialect === 'nginx' || dialect === 'envoy') return;
    expect(await refusalOf(dialect, checkLines(dialect, { uri: 'http://localhost/api/x' }))).toBe(400);
  });

  test('a target beyond the limit is 414, not cut', async () => {
    expect(await refusalOf(dialect, checkLines(dialect, { uri: `/api/${'x'.repeat(8_192)}` }))).toBe(414);
  });
});
