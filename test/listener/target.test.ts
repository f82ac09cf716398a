import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { checkTarget } from '../../src/listener/target.ts';

const REFUSAL = expect.objectContaining({ code: 'REQUEST_INVALID', status: 400, stage: 'listener', close: true });

function passes(target: string): boolean {
  try {
    checkTarget(target);
    return true;
  } catch {
    return false;
  }
}

describe('request target', () => {
  test.each([
    '/',
    '/?',
    '//h/x',
    '/a//b/',
    '/v1.0/file.json',
    '/.well-known/openid-configuration',
    '/...',
    '/..a',
    '/a..',
    '/a/.b/c.',
    '/a.;b',
    '/%2e%2e%2e',
    '/%2ea',
    '/a%2Fb',
    '/a%5Cb',
    '/%2f',
    '/a%2F',
    '/a;b=c/d',
    '/;..',
    '/a;..',
    '/a%20b',
    '/100%',
    '/%zz',
    '/"<>^`{|}',
    "/:@!$&'()*+,=~_-",
    '/a?p=/b/../c',
    '/a?p=%2e%2e%2f&q=/./;..',
    '/a?b?c=/..',
    '/*',
    '/%252e%252e/',
  ])('H09 %s passes', (target) => {
    expect(passes(target)).toBe(true);
  });

  test.each([
    '/..',
    '/.',
    '/../',
    '/./',
    '/a/..',
    '/a/../b',
    '/a/./b',
    '//../a',
    '/a/%2e%2e/b',
    '/a/%2E%2E/b',
    '/a/.%2e/b',
    '/a/%2e./b',
    '/a/%2e/b',
    '/a/%2e',
    '/a%2f..%2fb',
    '/a%2F..',
    '/a/..%2Fb',
    '/a%2f%2e%2e/b',
    '/a%5c..%5cb',
    '/a%5C%2E%2e',
    '/a%2f.%5cb',
    '/..;/b',
    '/a/..;x=y/b',
    '/a/.;/b',
    '/a/%2e%2e;/b',
    '/a/..%3b/b',
    '/a/..%3B',
    '/a/..?b',
    '/..?',
  ])('H09 %s is refused for its dot segment', (target) => {
    expect(() => checkTarget(target)).toThrow(REFUSAL);
    expect(() => checkTarget(target)).toThrow('dot segment');
  });

  test.each([
    ['an empty target', '', 'begin it with "/"'],
    ['an asterisk', '*', '"*"'],
    ['a URL of another scheme', 'ftp://h.example/x', 'does not begin with "/"'],
    ['a URL behind something else', 'x+http://h.example/x', 'does not begin'],
    ['a URL without a host', 'http:///x', 'malformed'],
    ['a URL with a user', 'http://u@h.example/x', 'user'],
    ['a URL with a user and a password', 'http://u:p@h.example/x', 'user'],
    ['a URL with a broken host', 'http://h example/x', 'malformed'],
    ['a URL with a broken address', 'http://[::1/x', 'malformed'],
    ['a URL with a broken port', 'http://h.example:99999/x', 'malformed'],
    ['a URL with a port that is none', 'http://h.example:8o/x', 'malformed'],
    ['a URL with a backslash for a slash', 'http://h.example\\x', '%5C'],
    ['a URL with a fragment', 'http://h.example#f', 'fragment'],
    ['a URL with a dot segment', 'http://h.example/a/../b', 'dot segment'],
    ['a host and a port', 'h.example:443', 'does not begin with "/"'],
    ['a relative path', 'a/b', 'does not begin with "/"'],
    ['a query alone', '?a', 'does not begin with "/"'],
    ['a leading backslash', '\\a', 'does not begin with "/"'],
    ['a fragment', '/a#f', 'fragment'],
    ['a fragment after the query', '/a?b#', 'fragment'],
    ['a backslash', '/a\\b', '%5C'],
    ['a backslash and dots', '/a\\..\\b', '%5C'],
    ['a backslash in the query', '/a?b=\\', '%5C'],
    ['a space', '/a b', 'visible ASCII'],
    ['a tab', '/a\tb', 'visible ASCII'],
    ['NUL', '/a\0', 'visible ASCII'],
    ['a line break', '/a\r\nX: y', 'visible ASCII'],
    ['a line feed at the end', '/a\n', 'visible ASCII'],
    ['a line feed at the end of the query', '/a?b\n', 'visible ASCII'],
    ['DEL', '/a\x7f', 'visible ASCII'],
    ['bytes beyond ASCII', '/\xfc', 'visible ASCII'],
    ['bytes beyond ASCII in the query', '/a?\xff', 'visible ASCII'],
  ])('H09 %s is refused, and the message says why', (_, target, reason) => {
    expect(() => checkTarget(target)).toThrow(REFUSAL);
    expect(() => checkTarget(target)).toThrow(reason);
  });

  test('H09 what passes is read in the same way by the URL standard and after one round of decoding', () => {
    const part = fc.constantFrom(
      '/',
      '.',
      '..',
      '%2e',
      '%2E',
      '%2f',
      '%5C',
      ';',
      '%3b',
      'a',
      '\\',
      '?',
      '#',
      ' ',
      '\xe9',
      '%25',
      ':',
      '//',
    );
    let passed = 0;
    fc.assert(
      fc.property(fc.array(part, { maxLength: 10 }), (parts) => {
        const target = `/${parts.join('')}`;
        if (!passes(target)) return;
        passed += 1;
        const [path = ''] = target.split('?');
        expect(new URL(`http://h${target}`).pathname).toBe(path);
        const segments = decodeURIComponent(path).split(/[/\\]/);
        for (const segment of segments) expect(['.', '..']).not.toContain(segment.split(';')[0]);
      }),
      { numRuns: 5_000 },
    );
    expect(passed).toBeGreaterThan(100);
  });

  test('H09 refuses nothing but what one of the rules names', () => {
    const byte = fc.integer({ min: 0x21, max: 0x7e }).map((code) => String.fromCharCode(code));
    fc.assert(
      fc.property(fc.string({ unit: byte, maxLength: 30 }), (text) => {
        const target = `/${text}`;
        const [path = ''] = target.split('?');
        const segments = path
          .replace(/%2e/gi, '.')
          .replace(/%3b/gi, ';')
          .split(/\/|%2f|%5c/i);
        const hasDots = segments.some((segment) => /^\.\.?(?:;|$)/.test(segment));
        expect(passes(target)).toBe(!/[#\\]/.test(target) && !hasDots);
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    ['http://h.example/a?b', { authority: 'h.example', host: 'h.example', target: '/a?b' }],
    ['HTTPS://H.Example:8443/a', { authority: 'H.Example:8443', host: 'h.example', target: '/a' }],
    ['http://h.example', { authority: 'h.example', host: 'h.example', target: '/' }],
    ['http://h.example?b', { authority: 'h.example', host: 'h.example', target: '/?b' }],
    ['http://[::1]:80//a//b', { authority: '[::1]:80', host: '[::1]', target: '//a//b' }],
    ['http://h.example/a?u=http://x@y/', { authority: 'h.example', host: 'h.example', target: '/a?u=http://x@y/' }],
  ])('H08 takes the whole URL %s apart, its path and query byte for byte', (url, parts) => {
    expect(checkTarget(url)).toEqual(parts);
  });

  test('says nothing of the usual form', () => {
    expect(checkTarget('/a?b')).toBeUndefined();
    expect(checkTarget('/a%2fb')).toBeUndefined();
  });
});
