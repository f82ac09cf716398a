import { describe, expect, test } from '@jest/globals';
import { hashSync } from 'bcryptjs';
import fc from 'fast-check';
import { hashPassword, type PasswordHash, parsePasswordHash, verifyPassword } from '../src/password-hash.ts';

const parsed = (text: string): PasswordHash => {
  const hash = parsePasswordHash(text);
  if (hash === undefined) throw new Error('not a hash');
  return hash;
};

const SALT = 'c29tZXNhbHQ';
const HASH = 'CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc';
const argon2id = (parameters: string, salt = SALT, hash = HASH) => `$argon2id$v=19$${parameters}$${salt}$${hash}`;
const scrypt = (parameters: string, salt = SALT, hash = HASH) => `$scrypt$${parameters}$${salt}$${hash}`;

const bcrypt = (begin: string) => `${begin}N9qo8uLOickgx2ZMRZoMyeIjZAgcfl7p92ldGxad68LJZdL17lhWy`;

/** RFC 7914 §12, third vector. */
const RFC_7914 =
  '7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887';
const base64 = (bytes: Buffer) => bytes.toString('base64').replaceAll('=', '');

describe('password hashes', () => {
  test.each([
    ['argon2id as the reference implementation made it', argon2id('m=65536,t=2,p=1'), 'password'],
    [
      'scrypt of RFC 7914',
      scrypt('ln=14,r=8,p=1', base64(Buffer.from('SodiumChloride')), base64(Buffer.from(RFC_7914, 'hex'))),
      'pleaseletmein',
    ],
    ['scrypt as passlib made it', '$scrypt$ln=16,r=8,p=1$aM15713r3Xsvxbi31lqr1Q$nFNh2CVHVjNldFVKDHDlm4CbdRSCdEBsjjJxD+iCs5E', 'password'],
    // From the test vectors of OpenWall's crypt_blowfish, which PHP and htpasswd are made with.
    ['bcrypt, $2a$', '$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', 'U*U'],
    ['bcrypt, $2b$', '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW', 'U*U'],
    ['bcrypt as PHP makes it, $2y$', '$2y$07$BCryptRequires22Chrcte/VlQH0piJtjXl.0t1XkA8pw9dMXTpOq', 'rasmuslerdorf'],
    ['bcrypt as libxcrypt makes it, of UTF-8', '$2y$05$CCCCCCCCCCCCCCCCCCCCC.VbkrrNItU.9NIb/IkEA2mwWrOjK5F3G', 'pässwörd'],
  ])('verifies %s', async (_what, text, password) => {
    expect(await verifyPassword(parsed(text), password)).toBe(true);
    expect(await verifyPassword(parsed(text), `${password} `)).toBe(false);
    expect(await verifyPassword(parsed(text), '')).toBe(false);
  });

  test('bcrypt looks at 72 bytes: a password with more is never right, not even the one that was hashed', async () => {
    const seventyTwo = 'é'.repeat(36);
    const hash = parsed(hashSync(`${seventyTwo}and more`, 4));
    expect(await verifyPassword(hash, seventyTwo)).toBe(true);
    expect(await verifyPassword(hash, `${seventyTwo}and more`)).toBe(false);
    expect(await verifyPassword(hash, `${seventyTwo}x`)).toBe(false);
  });

  test('B04 bcrypt keeps the event loop free, and its thread does not keep the process', async () => {
    const hash = parsed(hashSync('right', 4).replace('$04$', '$12$'));
    let turns = 0;
    const timer = setInterval(() => {
      turns += 1;
    }, 1);
    await verifyPassword(hash, 'wrong');
    clearInterval(timer);
    // Some 250 ms of work: in this thread no turn would have come between.
    expect(turns).toBeGreaterThan(3);
  });

  test('verifies what it made, and nothing else', async () => {
    const text = await hashPassword('pässwörd: with colon');
    expect(text).toMatch(/^\$argon2id\$v=19\$m=19456,t=2,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}$/);
    expect(await verifyPassword(parsed(text), 'pässwörd: with colon')).toBe(true);
    expect(await verifyPassword(parsed(text), 'passwörd: with colon')).toBe(false);
  });

  test('salts: two hashes of one password differ', async () => {
    expect(await hashPassword('same')).not.toBe(await hashPassword('same'));
  });

  test('takes the largest costs a sidecar can bear', () => {
    const accepted = ['m=262144,t=4,p=1', 'm=8,t=1,p=1', 'm=128,t=1,p=16', 'm=65536,t=16,p=4'].map((parameters) => argon2id(parameters));
    accepted.push(...['ln=18,r=8,p=4', 'ln=1,r=1,p=1', 'ln=13,r=32,p=1'].map((parameters) => scrypt(parameters)));
    for (const text of accepted) expect(parsePasswordHash(text)).toBeDefined();
  });

  test.each([
    ['100 GiB of memory', argon2id('m=104857600,t=1,p=1')],
    ['one step too much memory', argon2id('m=262145,t=1,p=1')],
    ['too many passes', argon2id('m=262144,t=5,p=1')],
    ['no passes', argon2id('m=19456,t=0,p=1')],
    ['no lanes', argon2id('m=19456,t=2,p=0')],
    ['too many lanes', argon2id('m=19456,t=2,p=17')],
    ['too little memory for its lanes', argon2id('m=31,t=2,p=4')],
    ['another version', argon2id('m=19456,t=2,p=1').replace('v=19', 'v=16')],
    ['another variant', argon2id('m=19456,t=2,p=1').replace('argon2id', 'argon2i')],
    ['more cost than memory', scrypt('ln=19,r=8,p=1')],
    ['an absurd cost', scrypt('ln=99,r=8,p=1')],
    ['too much parallel work', scrypt('ln=18,r=8,p=5')],
    ['no cost', scrypt('ln=0,r=8,p=1')],
    ['no blocks', scrypt('ln=15,r=0,p=1')],
    ['a short salt', argon2id('m=19456,t=2,p=1', base64(Buffer.alloc(7)))],
    ['a long salt', argon2id('m=19456,t=2,p=1', base64(Buffer.alloc(65)))],
    ['a short hash, easily met by chance', argon2id('m=19456,t=2,p=1', SALT, base64(Buffer.alloc(15)))],
    ['padding', argon2id('m=19456,t=2,p=1', `${SALT}=`)],
    ['a second spelling of the same bytes', argon2id('m=19456,t=2,p=1', `${SALT.slice(0, -1)}R`)],
    ['base64url', argon2id('m=19456,t=2,p=1', SALT, `-${HASH.slice(1)}`)],
    ['white space around it', ` ${argon2id('m=19456,t=2,p=1')}`],
    ['a newline behind it', `${argon2id('m=19456,t=2,p=1')}\n`],
    ['bcrypt of a cost that takes too long', bcrypt('$2y$16$')],
    ['bcrypt of a cost that bcrypt does not know', bcrypt('$2y$03$')],
    ['bcrypt of a faulty kind', bcrypt('$2x$10$')],
    ['bcrypt of the first kind', bcrypt('$2$10$')],
    ['bcrypt that is cut short', bcrypt('$2y$10$').slice(0, -1)],
    ['bcrypt with more behind it', `${bcrypt('$2y$10$')}:`],
    ['a plain password', 'hunter2'],
    ['nothing', ''],
  ])('refuses %s', (_what, text) => {
    expect(parsePasswordHash(text)).toBeUndefined();
  });

  test('never takes a text whose cost is out of bounds', () => {
    const number = fc.oneof(fc.nat(70_000), fc.nat(99));
    fc.assert(
      fc.property(fc.constantFrom('argon2id', 'scrypt'), number, number, number, (algorithm, one, two, three) => {
        const text = algorithm === 'scrypt' ? scrypt(`ln=${one},r=${two},p=${three}`) : argon2id(`m=${one * 16},t=${two},p=${three}`);
        const hash = parsePasswordHash(text);
        if (hash === undefined || hash.algorithm === 'bcrypt') return;
        const kib = hash.algorithm === 'argon2id' ? hash.memoryKiB : (hash.cost * hash.blockSize) / 8;
        const work = hash.algorithm === 'argon2id' ? kib * hash.passes : kib * hash.parallelism;
        expect(kib).toBeLessThanOrEqual(256 * 1024);
        expect(work).toBeLessThanOrEqual(1024 * 1024);
        expect(hash.parallelism).toBeLessThanOrEqual(16);
      }),
      { numRuns: 2000 },
    );
  });
});
