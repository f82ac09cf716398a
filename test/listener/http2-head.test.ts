/** Heads of HTTP/2 as heads of HTTP/1.1, and what of them is refused before those checks judge it (RFC 9113 §8.2, §8.3). */

import { describe, expect, test } from '@jest/globals';
import { readHead, readTrailers } from '../../src/listener/http2/head.ts';
import type { Fields } from '../../src/message.ts';

const PSEUDO = [':method', 'GET', ':scheme', 'https', ':authority', 'api.example', ':path', '/x?y'];

const of = (...fields: string[]) => readHead([...PSEUDO, ...fields]);

describe('a head of HTTP/2', () => {
  test('is one of HTTP/1.1 with the authority as its Host', () => {
    const fields = ['host', 'api.example', 'x', '1', 'te', 'Trailers'];
    expect(of('x', '1', 'te', 'Trailers')).toEqual({ method: 'GET', target: '/x?y', version: '1.1', fields });
    expect(of('host', 'api.example', 'x', '1', 'te', 'Trailers').fields).toEqual(fields);
  });

  test('without an authority has the Host that it says, all of them', () => {
    const { fields } = readHead([':method', 'GET', ':scheme', 'http', ':path', '/', 'host', 'a', 'host', 'b']);
    expect(fields).toEqual(['host', 'a', 'host', 'b']);
  });

  test('has one cookie of all crumbs, where the first of them stood', () => {
    const { fields } = of('cookie', 'a=1', 'x', '1', 'cookie', 'b=2', 'cookie', 'c=3');
    expect(fields).toEqual(['host', 'api.example', 'cookie', 'a=1; b=2; c=3', 'x', '1']);
  });

  test('with credentials for a proxy is about a whole URL, where it names a path', () => {
    expect(of('proxy-authorization', 'Basic x').target).toBe('http://api.example/x?y');
    expect(of('x', 'proxy-authorization').target).toBe('/x?y');
    const star = [':method', 'OPTIONS', ':scheme', 'https', ':authority', 'a', ':path', '*', 'proxy-authorization', 'x'];
    expect(readHead(star).target).toBe('*');
  });

  test('that asks for a tunnel has neither scheme nor path', () => {
    expect(readHead([':method', 'CONNECT', ':authority', 'a:443'])).toMatchObject({ method: 'CONNECT', target: 'a:443' });
  });

  test.each([
    ['an unknown pseudo-field', [...PSEUDO, ':protocol', 'websocket'], 'unknown'],
    ['a repeated pseudo-field', [...PSEUDO, ':path', '/x?y'], 'repeated'],
    ['a pseudo-field behind a field', [...PSEUDO.slice(0, 6), 'x', '1', ':path', '/'], 'after a field'],
    ['no method', PSEUDO.slice(2), '":method" is missing'],
    ['no scheme', [...PSEUDO.slice(0, 2), ...PSEUDO.slice(4)], '":scheme" is missing'],
    ['another scheme', [':method', 'GET', ':scheme', 'ftp', ':path', '/'], '":scheme" is missing or unknown'],
    ['no path', PSEUDO.slice(0, 6), '":path" is missing'],
    ['an empty path', [...PSEUDO.slice(0, 6), ':path', ''], '":path" is missing'],
    ['a Host that differs', [...PSEUDO, 'x', '1', 'host', 'API.example'], 'differs'],
  ])('with %s is refused', (_what, raw, reason) => {
    expect(() => readHead(raw)).toThrow(reason);
  });

  const REFUSED: [string, Fields, string][] = [
    ['a name in capitals', ['X', '1'], 'name is malformed'],
    ['a name that ends in one', ['xX', '1'], 'name is malformed'],
    ['an empty name', ['', '1'], 'name is malformed'],
    ['LF in a value', ['x', 'a\nb'], 'control characters'],
    ['NUL at the end of a value', ['x', 'a\0'], 'control characters'],
    ['a space before a value', ['x', ' a'], 'begins or ends with a space'],
    ['a tab behind a value', ['x', 'a\t'], 'begins or ends with a space'],
    ['a field of one connection', ['connection', 'x'], 'does not exist in HTTP/2'],
    ['another', ['keep-alive', 'x'], 'does not exist in HTTP/2'],
    ['a third', ['proxy-connection', 'x'], 'does not exist in HTTP/2'],
    ['a coding', ['transfer-encoding', 'chunked'], 'does not exist in HTTP/2'],
    ['a change of the protocol', ['upgrade', 'h2c'], 'does not exist in HTTP/2'],
    ['more than trailers asked for', ['te', 'trailers, gzip'], 'more than "trailers"'],
  ];

  test.each(REFUSED)('with %s is refused, and so are trailers', (_what, fields, reason) => {
    expect(() => of(...fields)).toThrow(reason);
    expect(() => readTrailers(fields)).toThrow(reason);
  });

  test('takes trailers as they are, and no pseudo-fields among them', () => {
    expect(readTrailers(['x-sum', '1', 'x', ''])).toEqual(['x-sum', '1', 'x', '']);
    expect(() => readTrailers([':status', '200'])).toThrow('name is malformed');
  });
});
