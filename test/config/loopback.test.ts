import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { canonicalIPv6, isLoopbackHost } from '../../src/config/loopback.ts';

describe('what counts as loopback', () => {
  test.each([
    '127.0.0.1',
    '127.255.255.254',
    '::1',
    '[::1]',
    '0:0:0:0:0:0:0:1',
    'localhost',
    'LOCALHOST',
    'localhost.',
    'idp.localhost',
    'a.b.localhost',
  ])('%s does', (host) => {
    expect(isLoopbackHost(host)).toBe(true);
  });

  test.each([
    '',
    '0.0.0.0',
    '::',
    '[::]',
    '::2',
    '10.0.0.1',
    '128.0.0.1',
    '127.0.0.1.example',
    '127.0.0',
    '0127.0.0.1',
    'localhost.example',
    'notlocalhost',
    '.localhost',
    'local host',
    'example.com',
    '::ffff:10.0.0.1',
    '[::1',
    '::1]',
  ])('%j does not', (host) => {
    expect(isLoopbackHost(host)).toBe(false);
  });

  test('no other IPv4 address does', () => {
    fc.assert(fc.property(fc.ipV4(), (address) => isLoopbackHost(address) === address.startsWith('127.')));
  });

  test('an IPv6 address has one spelling', () => {
    expect(canonicalIPv6('2001:DB8:0:0::1')).toBe('2001:db8::1');
    expect(canonicalIPv6('fe80::1%eth0')).toBe('fe80::1');
  });
});
