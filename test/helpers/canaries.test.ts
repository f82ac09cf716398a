import { describe, expect, test } from '@jest/globals';
import { createCanaries } from './canaries.ts';

const DISGUISES: [string, (secret: string) => string][] = [
  ['plain', (secret) => `x ${secret} y`],
  ['plain', (secret) => `only a piece: ${secret.slice(10, 30)}`],
  ['url-encoded', (secret) => `?q=${encodeURIComponent(secret)}&`],
  ['form-encoded', (secret) => new URLSearchParams({ secret }).toString()],
  ['json-escaped', (secret) => JSON.stringify({ secret })],
  ['hex', (secret) => Buffer.from(secret).toString('hex')],
  ['base64', (secret) => btoa(secret)],
  ['base64', (secret) => btoa(`a${secret}`)],
  ['base64', (secret) => btoa(`ab${secret}c`)],
  ['base64', (secret) => btoa(`abc:${secret}`)],
  ['base64url', (secret) => Buffer.from(`ab${secret}`).toString('base64url')],
];

describe('canaries', () => {
  test.each(DISGUISES)('are found %s', (form, disguise) => {
    const canaries = createCanaries();
    const secret = canaries.plant('client-secret');
    canaries.plant('other-secret');
    const findings = canaries.find(`some log\n${disguise(secret)}\nmore`);
    expect(findings).toContainEqual({ name: 'client-secret', form });
    expect(findings.filter(({ name }) => name !== 'client-secret')).toEqual([]);
    expect(JSON.stringify(findings)).not.toContain(secret);
  });

  test('are not found in texts that only name them', () => {
    const canaries = createCanaries();
    canaries.plant('client-secret');
    canaries.watch('private-key', '-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEH\n-----END PRIVATE KEY-----\n');
    expect(canaries.find('client-secret-0123456789 -----BEGIN PRIVATE KEY-----')).toEqual([]);
    expect(canaries.find('MIGHAgEAMBMGByqGSM49')).toEqual([{ name: 'private-key', form: 'plain' }]);
  });

  test('cannot be searched for before one was planted', () => {
    expect(() => createCanaries().find('text')).toThrow('no canary was planted');
  });
});
