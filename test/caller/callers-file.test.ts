import { describe, expect, test } from '@jest/globals';
import { hashSync } from 'bcryptjs';
import { createPasswordCheck } from '../../src/caller/password-check.ts';
import { Secret } from '../../src/config/secret.ts';
import { hashPassword } from '../../src/password-hash.ts';

const field = (username: string, password: string) => `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;

/** A check over an htpasswd file whose hashes are "hash of PASSWORD", and what was computed. */
function bench(text: string) {
  const file = new Secret({ fromFile: 'callers.htpasswd' });
  file.fill(text);
  const computed: string[] = [];
  const billing = new Secret({ unsafeInline: 'hash of billing' });
  billing.fill('hash of billing');
  const check = createPasswordCheck({
    callers: { billing: { basic: { passwordHash: [billing] } } },
    callersFile: file,
    async verify(hashText, password) {
      computed.push(password);
      return hashText === `hash of ${password}`;
    },
  });
  return { file, computed, check: (username: string, password: string) => check.judge(field(username, password)) };
}

const caller = (name: string) => ({ name, method: 'basic' });

describe('callers of an htpasswd file', () => {
  test('are known by their user names, beside those of the config', async () => {
    const { check } = bench('# ours\n\nann:hash of a\r\nbob:hash of b:Bob of accounting\n');
    await expect(check('ann', 'a')).resolves.toEqual(caller('ann'));
    await expect(check('bob', 'b')).resolves.toEqual(caller('bob'));
    await expect(check('billing', 'billing')).resolves.toEqual(caller('billing'));
    for (const [name, password] of [
      ['ann', 'b'],
      ['# ours', ''],
      ['', ''],
      ['carol', 'a'],
    ] as const)
      expect(await check(name, password)).toBe('refused');
  });

  test('B05 who is removed is out at once, remembered or not, and who stays is not checked again', async () => {
    const { check, file, computed } = bench('ann:hash of a\nbob:hash of b');
    await check('ann', 'a');
    await check('bob', 'b');
    file.fill('bob:hash of b');
    expect(check('bob', 'b')).toEqual(caller('bob'));
    expect(computed).toEqual(['a', 'b']);
    await expect(check('ann', 'a')).resolves.toBe('refused');
  });

  test('B05 a removed one is out before anybody else was asked for', async () => {
    const { check, file } = bench('ann:hash of a');
    await check('ann', 'a');
    file.fill('');
    await expect(check('ann', 'a')).resolves.toBe('refused');
  });

  test('B05 a changed password ends the old one at once, and what was refused before is checked anew', async () => {
    const { check, file } = bench('ann:hash of old');
    await check('ann', 'old');
    await expect(check('ann', 'new')).resolves.toBe('refused');
    await expect(check('bob', 'b')).resolves.toBe('refused');
    file.fill('ann:hash of new\nbob:hash of b');
    await expect(check('ann', 'old')).resolves.toBe('refused');
    await expect(check('ann', 'new')).resolves.toEqual(caller('ann'));
    await expect(check('bob', 'b')).resolves.toEqual(caller('bob'));
  });

  test('B05 who was removed and comes back is checked anew', async () => {
    const { check, file, computed } = bench('ann:hash of a');
    await check('ann', 'a');
    file.fill('bob:hash of b');
    file.fill('ann:hash of a');
    expect(await check('ann', 'a')).toEqual(caller('ann'));
    expect(computed.length).toBeLessThanOrEqual(2);
  });

  test('B01 names that mean something to JavaScript are nobody', async () => {
    const { check } = bench('ann:hash of a');
    for (const name of ['__proto__', 'constructor', 'toString']) expect(await check(name, 'a')).toBe('refused');
  });

  test('real hashes of all kinds', async () => {
    const file = new Secret({ fromFile: 'callers.htpasswd' });
    file.fill(`ann:${hashSync('a', 4).replace('$2b$', '$2y$')}\nbob:${await hashPassword('b')}`);
    const check = createPasswordCheck({ callers: {}, callersFile: file });
    await expect(check.judge(field('ann', 'a'))).resolves.toEqual(caller('ann'));
    await expect(check.judge(field('bob', 'b'))).resolves.toEqual(caller('bob'));
    await expect(check.judge(field('ann', 'b'))).resolves.toBe('refused');
  });
});
