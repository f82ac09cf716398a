import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { route } from '../../src/config/schema/routes.ts';
import { mapLocation } from '../../src/route/location.ts';
import { createRoute } from '../../src/route/route.ts';

const routeTo = (upstream: string, path = '/orders') =>
  createRoute('orders', route.parse({ path, upstream, token: null, unsafeHttp: true }));

const ORDERS = routeTo('https://api.example.com/v1');

describe('addresses that an upstream gives of itself', () => {
  test.each([
    ['https://api.example.com/v1/5', '/orders/5'],
    ['https://api.example.com/v1', '/orders'],
    ['https://api.example.com/v1/', '/orders/'],
    ['https://api.example.com/v1?a=b#c', '/orders?a=b#c'],
    ['https://api.example.com/v1/a%2Fb?c=%2e%2e&d=/../e#/../f', '/orders/a%2Fb?c=%2e%2e&d=/../e#/../f'],
    ['https://api.example.com:443/v1/5', '/orders/5'],
    ['HTTPS://API.example.COM/v1/5', '/orders/5'],
    ['/v1/5?a#b', '/orders/5?a#b'],
    ['/v1', '/orders'],
    ['/v1/a//b', '/orders/a//b'],
  ])('%s becomes %s', (value, expected) => {
    expect(mapLocation(ORDERS, value)).toBe(expected);
  });

  test.each([
    ['another host', 'https://other.example/v1/5'],
    ['another scheme', 'http://api.example.com/v1/5'],
    ['another port', 'https://api.example.com:8443/v1/5'],
    ['a host that begins with the name', 'https://api.example.com.evil/v1/5'],
    ['the name as user', 'https://api.example.com@evil.example/v1/5'],
    ['a user', 'https://user@api.example.com/v1/5'],
    ['a path outside', 'https://api.example.com/v2/5'],
    ['a path that begins with the same letters', 'https://api.example.com/v12'],
    ['an absolute path outside', '/v2/5'],
    ['the root', '/'],
    ['no path', 'https://api.example.com'],
    ['a dot segment', 'https://api.example.com/v1/../v2'],
    ['a dot segment at the end', '/v1/..'],
    ['a single dot', '/v1/./5'],
    ['an encoded dot segment', '/v1/%2E%2e/v2'],
    ['a half encoded dot segment', '/v1/.%2e/v2'],
    ['a host without scheme', '//api.example.com/v1/5'],
    ['an empty host', 'https:///v1/5'],
    ['a scheme without slashes', 'https:/api.example.com/v1/5'],
    ['a backslash', '/\\api.example.com/v1'],
    ['a backslash after the host', 'https://api.example.com\\@evil.example/v1/5'],
    ['a tab', 'https://api.example.com/v1\t/5'],
    ['a space', ' https://api.example.com/v1/5'],
    ['bytes beyond ASCII', '/v1/\u00fc'],
    ['a relative path', '5'],
    ['a relative path that begins like the base', 'v1/5'],
    ['a query', '?page=2'],
    ['a fragment', '#top'],
    ['nothing', ''],
    ['a broken port', 'https://api.example.com:x/v1'],
    ['another kind of address', 'mailto:a@api.example.com'],
    ['an address inside a query', 'https://other.example/?to=https://api.example.com/v1/5'],
  ])('%s is left alone', (_, value) => {
    expect(mapLocation(ORDERS, value)).toBe(value);
  });

  test('an upstream without a path, and a route for every path', () => {
    const everything = routeTo('https://api.example.com', '/');
    expect(mapLocation(everything, 'https://api.example.com')).toBe('/');
    expect(mapLocation(everything, 'https://api.example.com?a')).toBe('/?a');
    expect(mapLocation(everything, 'https://api.example.com/a/b')).toBe('/a/b');
    expect(mapLocation(everything, '/a/b')).toBe('/a/b');
    expect(mapLocation(routeTo('https://api.example.com/'), '/a')).toBe('/orders/a');
    expect(mapLocation(routeTo('http://127.0.0.1:8080'), 'http://127.0.0.1:8080/a')).toBe('/orders/a');
    expect(mapLocation(routeTo('http://[::1]:80/x'), 'http://[::1]/x/a')).toBe('/orders/a');
  });

  test('what is mapped never names another host', () => {
    const everything = routeTo('https://api.example.com/v1', '/');
    expect(mapLocation(everything, '/v1//evil.example/x')).toBe('/v1//evil.example/x');
    expect(mapLocation(everything, 'https://api.example.com/v1//evil.example')).toBe('https://api.example.com/v1//evil.example');
    expect(mapLocation(everything, '/v1/')).toBe('/');
  });

  test('what is mapped leads, resolved as a browser would, to the route and from there to the same address', () => {
    const part = fc.constantFrom(
      '/',
      '//',
      '\\',
      '@',
      ':',
      '.',
      '..',
      '%2e',
      '%2f',
      '?',
      '#',
      'a',
      'v1',
      'api.example.com',
      ';',
      'https:',
      ' ',
      '\t',
    );
    const start = fc.constantFrom('', 'https://api.example.com', 'https://api.example.com/v1', '/v1', '/', 'https://');
    const bases = fc.constantFrom(['/orders', '/v1'], ['/', '/v1'], ['/orders', ''], ['/', '']);
    // A route for every path cannot tell "/v1" from "/v1/": its own root is "/" either way.
    const address = (url: URL) => url.host + url.pathname.replace(/\/$/, '') + url.search + url.hash;
    let mappedCount = 0;
    fc.assert(
      fc.property(bases, start, fc.array(part, { maxLength: 8 }), ([path, base], head, parts) => {
        const value = head + parts.join('');
        const mapped = mapLocation(routeTo(`https://api.example.com${base}`, path), value);
        if (mapped === value) return;
        mappedCount += 1;
        const asSeen = new URL(mapped, 'http://sidecar.test/');
        expect(asSeen.host).toBe('sidecar.test');
        const prefix = path === '/' ? '' : (path as string);
        expect(asSeen.pathname === path || asSeen.pathname.startsWith(`${prefix}/`)).toBe(true);
        const original = new URL(value, 'https://api.example.com/');
        expect(original.host).toBe('api.example.com');
        const back = new URL(`https://api.example.com${base}${asSeen.pathname.slice(prefix.length)}${asSeen.search}${asSeen.hash}`);
        expect(address(back)).toBe(address(original));
      }),
      { numRuns: 5_000 },
    );
    expect(mappedCount).toBeGreaterThan(100);
  });
});
