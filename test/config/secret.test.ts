import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { Secret } from '../../src/config/secret.ts';

const CANARY = 'canary-7f3a9c51e2';

describe('a secret', () => {
  test('shows itself only when it is asked to', () => {
    const secret = new Secret({ unsafeInline: CANARY });
    const shown = [
      String(secret),
      JSON.stringify({ secret }),
      `${secret}`,
      inspect(secret, { depth: 9, showHidden: true, customInspect: false }),
      inspect({ secret }, { depth: 9, showHidden: true }),
      JSON.stringify(Object.entries(secret)),
      JSON.stringify(secret.reference),
    ];
    expect(shown.join()).not.toContain('canary');
    expect(secret.reveal()).toBe(CANARY);
  });

  test('cannot be read before it is filled', () => {
    const secret = new Secret({ fromEnv: 'NAME' });
    expect([secret.filled, secret.reference]).toEqual([false, { fromEnv: 'NAME' }]);
    expect(() => secret.reveal()).toThrow('a secret was read before it was loaded');
    secret.fill(CANARY);
    expect([secret.filled, secret.reveal()]).toEqual([true, CANARY]);
  });

  test('tells of a change, not of the same value again, and not those who left', () => {
    const secret = new Secret({ unsafeInline: 'one' });
    let told = 0;
    const leave = secret.onChange(() => {
      told += 1;
    });
    const before = secret.version;
    secret.fill('one');
    expect([told, secret.version]).toEqual([0, before]);
    secret.fill('two');
    expect([told, secret.version]).toEqual([1, before + 1]);
    leave();
    secret.fill('three');
    expect([told, secret.version]).toEqual([1, before + 2]);
  });
});
