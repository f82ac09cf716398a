import { describe, expect, test } from '@jest/globals';
import { nearestOf, parseAddress, parseDuration, parseSize } from '../../src/config/schema/values.ts';

describe('values', () => {
  test('reads durations with units', () => {
    expect(parseDuration('1h30m')).toBe(5_400_000);
    expect(parseDuration('500ms')).toBe(500);
    for (const text of ['', '5', 's', '-1s', '1e3s', 'NaN', '1.5s', '1000000000000d']) expect(parseDuration(text)).toBeUndefined();
  });

  test('reads sizes with units', () => {
    expect(parseSize('64KiB')).toBe(65_536);
    for (const text of ['', '64', '64kb', '-1B', '9999999999999999GiB']) expect(parseSize(text)).toBeUndefined();
  });

  test('reads addresses', () => {
    expect(parseAddress('127.0.0.1:8080')).toEqual({ kind: 'tcp', host: '127.0.0.1', port: 8080 });
    expect(parseAddress('[::1]:0')).toEqual({ kind: 'tcp', host: '::1', port: 0 });
    expect(parseAddress('unix:/run/x.sock')).toEqual({ kind: 'unix', path: '/run/x.sock' });
    for (const text of ['8080', ':8080', 'a:99999', 'unix:', 'http://a:1']) expect(parseAddress(text)).toBeUndefined();
  });

  test('suggests the nearest name', () => {
    expect(nearestOf('adress', ['address', 'authenticate'])).toBe('address');
    expect(nearestOf('zzzzzz', ['address', 'authenticate'])).toBeUndefined();
  });
});
