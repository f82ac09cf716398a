import { describe, expect, test } from '@jest/globals';
import { bent, type Loose, said, useDirectory, verdict } from './fixture.ts';

const directory = useDirectory();

/** What a change to the valid config brings, once a proxy of this kind may ask it. */
async function judged(listener: object, bend: (config: Loose) => void = () => {}) {
  const config = bent((valid) => {
    Object.assign(valid['listeners'].local, { serve: 'ext-authz', dialect: 'nginx', ...listener });
    bend(valid);
  });
  const { problems, warnings } = await verdict(directory.path('sidecar.config.json'), config);
  return { problems: said(problems), warnings: said(warnings) };
}

const fine = { problems: [], warnings: [] };
const WAY_OUT = 'and listener "local" gives it to a proxy; name the others in "listeners" of the route, without "local"';

describe('a listener with "serve": "ext-authz"', () => {
  test('names the dialect of the proxy that asks', async () => {
    for (const dialect of ['nginx', 'envoy', 'traefik', 'caddy', 'haproxy']) expect(await judged({ dialect })).toEqual(fine);
    expect((await judged({ dialect: undefined })).problems).toEqual([
      'listeners.local needs "dialect": name the proxy that asks, so that its request is read where only the proxy can write',
    ]);
    expect((await judged({ dialect: 'apache' })).problems).toEqual([
      expect.stringContaining('listeners.local.dialect is not a proxy that can ask; use one of "nginx", "envoy"'),
    ]);
  });

  test('alone has a dialect, and a longest reuse of its answers', async () => {
    expect(await judged({ maxReuse: '0s' })).toEqual(fine);
    expect((await judged({ serve: 'proxy', maxReuse: '10s' })).problems).toEqual([
      'listeners.local.dialect is for "serve": "ext-authz" alone; remove it, or say that',
      'listeners.local.maxReuse is for "serve": "ext-authz" alone; remove it, or say that',
    ]);
  });

  test('K05 gives tokens to other machines over TLS only, whoever its callers are', async () => {
    const wide = { address: '0.0.0.0:8090', authenticate: ['anonymous'], unsafeAnonymous: true };
    const open = ({ routes }: Loose) => routes.orders.callers.push('anonymous');
    expect((await judged(wide, open)).problems).toEqual([
      'listeners.local.address hands out tokens without TLS on an address that is not loopback; give "tls", listen on 127.0.0.1, or say "unsafePlaintext": true',
    ]);
    expect((await judged({ ...wide, unsafePlaintext: true }, open)).problems).toEqual([]);
    expect((await judged({ ...wide, serve: 'proxy', dialect: undefined }, open)).problems).toEqual([]);
    expect((await judged({ address: 'unix:/run/authz.sock' })).problems).toEqual([]);
  });
});

describe('a route that a proxy may ask about', () => {
  test.each([
    ['dpop', true, 'is bound to a key that never leaves the broker ("dpop")'],
    ['certificateBound', true, 'is bound to a certificate of the broker ("certificateBound")'],
    ['upstreamFrom', { field: 'instance_url', allow: ['https://*.acme.example'] }, 'says itself where it may be sent ("upstreamFrom")'],
  ])('has no token with %s', async (key, value, why) => {
    const bend = (config: Loose) => {
      Object.assign(config['tokens'].orders, { [key]: value });
    };
    const other = (config: Loose) => {
      bend(config);
      config['listeners'].other = { address: '127.0.0.1:0', authenticate: ['basic'] };
      config['routes'].orders.listeners = ['other'];
    };
    const about = ({ problems }: { problems: string[] }) => problems.filter((problem) => problem.startsWith('routes.'));
    expect(about(await judged({}, bend))).toEqual([`routes.orders.token ${why}, ${WAY_OUT}`]);
    expect(about(await judged({}, other))).toEqual([]);
    expect(about(await judged({ serve: 'proxy', dialect: undefined }, bend))).toEqual([]);
  });

  test('sets no field that would say how long the answer may be kept, or order the proxy about', async () => {
    const withHeaders = (headers: object, inject: object = {}) =>
      judged({}, ({ routes }) => Object.assign(routes.orders, { headers, inject }));
    expect(await withHeaders({ 'X-Tenant': 'acme' })).toEqual(fine);
    for (const header of ['Cache-Control', 'expires', 'Vary', 'X-Accel-Redirect', 'x-envoy-auth-headers-to-remove']) {
      const meaning =
        'has a meaning of its own in an answer of listener "local"; name the others in "listeners" of the route, without "local"';
      expect((await withHeaders({ [header]: 'x' })).problems).toEqual([`routes.orders.headers.${header} ${meaning}`]);
      expect((await withHeaders({}, { header })).problems).toEqual([`routes.orders.inject.header ${meaning}`]);
    }
  });
});
