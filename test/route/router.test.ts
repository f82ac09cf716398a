import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { type RouteConfig, route } from '../../src/config/schema/routes.ts';
import type { BrokerError } from '../../src/errors.ts';
import { createRouter } from '../../src/route/router.ts';

interface Wanted {
  path: string;
  host?: string;
  methods?: string[];
  listeners?: string[];
  callers?: string[];
  upstream?: string;
}

const configure = (wanted: Wanted): RouteConfig =>
  route.parse({ callers: ['billing'], upstream: 'https://api.example.com/v1', token: null, ...wanted });

const routerFor = (routes: Record<string, Wanted>) =>
  createRouter(Object.fromEntries(Object.entries(routes).map(([name, wanted]) => [name, configure(wanted)])));

const BILLING = { name: 'billing', method: 'basic' };
const REPORTS = { name: 'reports', method: 'mtls' };
const ANONYMOUS = { name: 'anonymous', method: 'anonymous' };

const request = (target: string, parts: { method?: string; host?: string; listener?: string; authority?: string } = {}) => ({
  listener: 'local',
  host: 'localhost',
  authority: undefined,
  method: 'GET',
  target,
  ...parts,
});

type Match = ReturnType<ReturnType<typeof createRouter>['match']>;

/** `name target`, or the code of the refusal. */
function outcome(match: () => Match): string {
  try {
    const found = match();
    return `${found.route.name} ${found.target}`;
  } catch (error) {
    const { code, stage } = error as BrokerError;
    if (stage !== 'route') throw error;
    return code;
  }
}

describe('route stage', () => {
  test.each([
    ['/orders', 'https://h/v1', '/orders', '/v1'],
    ['/orders', 'https://h/v1', '/orders/', '/v1/'],
    ['/orders', 'https://h/v1', '/orders/5', '/v1/5'],
    ['/orders', 'https://h/v1', '/orders?x=1', '/v1?x=1'],
    ['/orders', 'https://h/v1', '/orders/?', '/v1/?'],
    ['/orders', 'https://h/v1/', '/orders/5', '/v1/5'],
    ['/orders', 'https://h/v1/', '/orders', '/v1/'],
    ['/orders', 'https://h', '/orders', '/'],
    ['/orders', 'https://h', '/orders?x', '/?x'],
    ['/orders', 'https://h', '/orders/5', '/5'],
    ['/orders', 'https://h/', '/orders//5', '//5'],
    ['/', 'https://h', '/', '/'],
    ['/', 'https://h', '//elsewhere.example/x', '//elsewhere.example/x'],
    ['/', 'https://h/v1', '/a/b?c', '/v1/a/b?c'],
    ['/', 'https://h/v1', '/?q', '/v1/?q'],
    ['/a/b', 'https://h', '/a/b/c%2Fd;e=f?g=/../h', '/c%2Fd;e=f?g=/../h'],
  ])('H09 a route at %s to %s sends %s as %s', (path, upstream, target, expected) => {
    const { match } = routerFor({ r: { path, upstream } });
    expect(outcome(() => match(request(target), BILLING))).toBe(`r ${expected}`);
  });

  test.each(['/order', '/orders2', '/ordersX/5', '/Orders', '/%6frders', '/', '/a/orders', '/orders;x', '/orders%2F5', '//orders'])(
    'a route at /orders does not match %s',
    (target) => {
      const { match } = routerFor({ r: { path: '/orders' } });
      expect(outcome(() => match(request(target), BILLING))).toBe('ROUTE_NOT_FOUND');
    },
  );

  test('the longest prefix wins, whatever the order of the config', () => {
    const paths = { root: '/', a: '/a', ab: '/a/b', abc: '/a/b/c' };
    for (const names of [Object.keys(paths), Object.keys(paths).reverse()] as (keyof typeof paths)[][]) {
      const { match } = routerFor(Object.fromEntries(names.map((name) => [name, { path: paths[name] }])));
      const found = ['/', '/x', '/ab', '/a', '/a/x', '/a?/b', '/a/b', '/a/bc', '/a/b/c/d'].map((target) => match(request(target), BILLING));
      expect(found.map((each) => each.route.name)).toEqual(['root', 'root', 'root', 'a', 'a', 'a', 'ab', 'a', 'abc']);
    }
  });

  const SAME_PATH = {
    plain: { path: '/a' },
    listener: { path: '/a', listeners: ['local'] },
    method: { path: '/a', methods: ['GET', 'POST'] },
    host: { path: '/a', host: 'API.example' },
  };

  test.each([
    ['as it is written', Object.entries(SAME_PATH)],
    ['the other way round', Object.entries(SAME_PATH).reverse()],
  ])('at the same path a host wins over methods, and methods over listeners: config %s', (_what, routes) => {
    const { match } = routerFor(Object.fromEntries(routes));
    expect(match(request('/a', { host: 'api.example' }), BILLING).route.name).toBe('host');
    expect(match(request('/a'), BILLING).route.name).toBe('method');
    expect(match(request('/a', { method: 'PUT' }), BILLING).route.name).toBe('listener');
    expect(match(request('/a', { method: 'PUT', listener: 'mesh' }), BILLING).route.name).toBe('plain');
  });

  test('whole URLs, as to a forward proxy, find routes that name their host alone', () => {
    const whole = { host: 'api.example', authority: 'api.example' };
    expect(outcome(() => routerFor({ r: { path: '/a' } }).match(request('/a', whole), BILLING))).toBe('ROUTE_NOT_FOUND');
    expect(outcome(() => routerFor({ r: { path: '/a', host: 'api.example' } }).match(request('/a', whole), BILLING))).toBe('r /v1');
  });

  test('callers share a path and get a route each', () => {
    const { match } = routerFor({
      forBilling: { path: '/a', upstream: 'https://h/billing' },
      forReports: { path: '/a', callers: ['reports'], upstream: 'https://h/reports' },
    });
    expect(outcome(() => match(request('/a/1'), BILLING))).toBe('forBilling /billing/1');
    expect(outcome(() => match(request('/a/1'), REPORTS))).toBe('forReports /reports/1');
  });

  test('a longer route that is not open to the caller does not hide a shorter one that is', () => {
    const { match } = routerFor({ all: { path: '/', callers: ['*'] }, billing: { path: '/a' }, post: { path: '/a/b', methods: ['POST'] } });
    expect(match(request('/a'), REPORTS).route.name).toBe('all');
    expect(match(request('/a/b'), BILLING).route.name).toBe('billing');
  });

  test.each([
    [[], BILLING, 'CALLER_FORBIDDEN'],
    [['reports'], BILLING, 'CALLER_FORBIDDEN'],
    [['billing'], BILLING, 'r /v1'],
    [['*'], BILLING, 'r /v1'],
    [['*'], REPORTS, 'r /v1'],
    [['*'], ANONYMOUS, 'CALLER_FORBIDDEN'],
    [['billing', '*'], ANONYMOUS, 'CALLER_FORBIDDEN'],
    [['anonymous'], ANONYMOUS, 'r /v1'],
    [['anonymous'], BILLING, 'CALLER_FORBIDDEN'],
    [['*', 'anonymous'], ANONYMOUS, 'r /v1'],
  ])('B10 a route open to %j, asked by %j: %s', (callers, caller, expected) => {
    const { match } = routerFor({ r: { path: '/a', callers } });
    expect(outcome(() => match(request('/a'), caller))).toBe(expected);
  });

  test('"GET" brings "HEAD", and nothing else', () => {
    const { match } = routerFor({ get: { path: '/get', methods: ['GET'] }, post: { path: '/post', methods: ['POST'] } });
    expect(outcome(() => match(request('/get', { method: 'HEAD' }), BILLING))).toBe('get /v1');
    for (const method of ['POST', 'OPTIONS', 'get', 'GE', '']) {
      expect(outcome(() => match(request('/get', { method }), BILLING))).toBe('ROUTE_METHOD_NOT_ALLOWED');
    }
    expect(outcome(() => match(request('/post', { method: 'HEAD' }), BILLING))).toBe('ROUTE_METHOD_NOT_ALLOWED');
  });

  test.each([
    ['POST', ['X-HTTP-Method-Override', 'DELETE'], 'ROUTE_METHOD_NOT_ALLOWED'],
    ['POST', ['x-http-method', 'delete'], 'ROUTE_METHOD_NOT_ALLOWED'],
    ['POST', ['X_Method_Override_', ' PATCH '], 'ROUTE_METHOD_NOT_ALLOWED'],
    ['POST', ['X-HTTP-Method-Override', 'GET', 'X-HTTP-Method-Override', 'PUT'], 'ROUTE_METHOD_NOT_ALLOWED'],
    ['POST', ['X-HTTP-Method-Override', 'GET, DELETE'], 'ROUTE_METHOD_NOT_ALLOWED'],
    ['POST', ['X-HTTP-Method-Override', 'get'], 'some /v1'],
    ['POST', ['X-HTTP-Method-Override', ''], 'some /v1'],
    ['POST', ['X-Method-Of-Payment', 'DELETE', 'X-HTTP-Methods', 'DELETE'], 'some /v1'],
    ['DELETE', ['X-HTTP-Method-Override', 'GET'], 'ROUTE_METHOD_NOT_ALLOWED'],
  ])('a method that a field puts in the place of its own must be allowed as well: %s, %j', (method, fields, expected) => {
    const { match } = routerFor({ some: { path: '/a', methods: ['GET', 'POST'] }, all: { path: '/b' } });
    expect(outcome(() => match({ ...request('/a', { method }), fields }, BILLING))).toBe(expected);
    expect(outcome(() => match({ ...request('/b', { method }), fields }, BILLING))).toBe('all /v1');
  });

  test('says with "Allow" what the routes of this caller allow, and nothing of the others', () => {
    const { match } = routerFor({
      read: { path: '/a', methods: ['GET', 'HEAD'] },
      write: { path: '/a', methods: ['POST'] },
      root: { path: '/', methods: ['PATCH'] },
      other: { path: '/a', methods: ['DELETE'], callers: ['reports'] },
    });
    expect(() => match(request('/a', { method: 'PUT' }), BILLING)).toThrow(
      expect.objectContaining({ status: 405, fields: ['Allow', 'GET, HEAD, POST, PATCH'] }),
    );
    expect(() => match(request('/a', { method: 'PUT' }), ANONYMOUS)).toThrow(expect.objectContaining({ status: 403, fields: [] }));
    expect(() => match(request('/a', { method: 'PUT', host: 'x', listener: 'y' }), BILLING)).toThrow(
      expect.objectContaining({ status: 405 }),
    );
  });

  test('host and listener narrow a route', () => {
    const { match } = routerFor({ r: { path: '/', host: 'api.example', listeners: ['mesh'] } });
    expect(outcome(() => match(request('/', { host: 'api.example', listener: 'mesh' }), BILLING))).toBe('r /v1/');
    expect(outcome(() => match(request('/', { host: 'api.example' }), BILLING))).toBe('ROUTE_NOT_FOUND');
    expect(outcome(() => match(request('/', { listener: 'mesh' }), BILLING))).toBe('ROUTE_NOT_FOUND');
    expect(outcome(() => match(request('/', { listener: 'mesh', host: '' }), BILLING))).toBe('ROUTE_NOT_FOUND');
  });

  test('knows no route where none is configured', () => {
    const { match } = createRouter({});
    expect(outcome(() => match(request('/__proto__'), BILLING))).toBe('ROUTE_NOT_FOUND');
    expect(() => match(request('/'), BILLING)).toThrow(expect.objectContaining({ status: 404 }));
  });

  test('H09 finds what a plain search over all routes finds, and leaves the rest byte for byte', () => {
    const segment = fc.constantFrom('a', 'b', 'ab', '%61', 'a;x', 'constructor');
    const path = fc.array(segment, { maxLength: 3 }).map((segments) => `/${segments.join('/')}`);
    const rest = fc.constantFrom('', '/', '//', '/a', '/b/%2F?x=/a', '?', '?x=%2e%2e', '/a?b=c#'.slice(0, -1));
    const callers = fc.subarray(['billing', 'reports', '*', 'anonymous']);
    const wanted = fc.array(fc.record({ path, callers }), { minLength: 1, maxLength: 8 });
    fc.assert(
      fc.property(wanted, path, rest, fc.constantFrom(BILLING, REPORTS, ANONYMOUS), (routes, base, tail, caller) => {
        const target = base === '/' && !tail.startsWith('/') ? base + tail : (base === '/' ? '' : base) + tail;
        fc.pre(target !== '');
        const router = routerFor(Object.fromEntries(routes.map((each, index) => [`r${index}`, each])));
        const [pathPart = ''] = target.split('?');
        const fits = ({ path: prefix }: Wanted) => prefix === '/' || pathPart === prefix || pathPart.startsWith(`${prefix}/`);
        const open = (each: Wanted) => each.callers!.includes(caller.name) || (each.callers!.includes('*') && caller !== ANONYMOUS);
        const fitting = routes.filter(fits);
        const best = fitting.filter(open).sort((a, b) => b.path.length - a.path.length)[0];
        const found = outcome(() => router.match(request(target), caller));
        const refusal = fitting.length === 0 ? 'ROUTE_NOT_FOUND' : 'CALLER_FORBIDDEN';
        const prefixLength = best === undefined || best.path === '/' ? 0 : best.path.length;
        expect(found).toBe(best === undefined ? refusal : `r${routes.indexOf(best)} /v1${target.slice(prefixLength)}`);
      }),
    );
  });
});
