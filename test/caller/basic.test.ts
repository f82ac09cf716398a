import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { parseBasic } from '../../src/caller/basic.ts';
import { namesScheme } from '../../src/caller/challenge.ts';

const encode = (text: string | Uint8Array) => Buffer.from(text as string).toString('base64');

describe('basic credentials', () => {
  test.each([
    ['an ordinary pair', `Basic ${encode('billing:secret')}`, 'billing', 'secret'],
    ['the scheme in lower case', `basic ${encode('billing:secret')}`, 'billing', 'secret'],
    ['the scheme in mixed case', `bAsIc ${encode('billing:secret')}`, 'billing', 'secret'],
    ['several spaces', `Basic    ${encode('billing:secret')}`, 'billing', 'secret'],
    ['colons in the password', `Basic ${encode('billing:a:b::c')}`, 'billing', 'a:b::c'],
    ['an empty password', `Basic ${encode('billing:')}`, 'billing', ''],
    ['UTF-8 in both parts', `Basic ${encode('bücher:pässwörd €')}`, 'bücher', 'pässwörd €'],
    ['a user name that begins with a byte order mark', `Basic ${encode('\ufeffbilling:x')}`, '\ufeffbilling', 'x'],
    ['a password that begins with a byte order mark', `Basic ${encode('billing:\ufeffx')}`, 'billing', '\ufeffx'],
    ['base64 without its padding', `Basic ${encode('billing:secre').replaceAll('=', '')}`, 'billing', 'secre'],
    ['the example of RFC 7617 §2', 'Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==', 'Aladdin', 'open sesame'],
    ['the example of RFC 7617 §2.1', 'Basic dGVzdDoxMjPCow==', 'test', '123£'],
  ])('B02 reads %s', (_, field, username, password) => {
    expect(namesScheme(field, 'basic')).toBe(true);
    expect(parseBasic(field)).toEqual({ username, password });
  });

  test.each([
    ['no credentials', 'Basic'],
    ['nothing but spaces', 'Basic   '],
    ['an empty user name', `Basic ${encode(':secret')}`],
    ['no colon', `Basic ${encode('billing')}`],
    ['a tab instead of a space', `Basic\t${encode('billing:secret')}`],
    ['bytes that are not base64', `Basic ${encode('billing:secret')}!`],
    ['the URL alphabet of base64', 'Basic Pz8_Pj4-OmE='],
    ['a line break inside', `Basic ${encode('billing:se')}\n${encode('cret')}`],
    ['a space inside', `Basic ${encode('bil')} ${encode('ling:secret')}`],
    ['NUL in the user name', `Basic ${encode('bill\u0000ing:secret')}`],
    ['a line break in the password', `Basic ${encode('billing:sec\r\nret')}`],
    ['padding in the middle', `Basic ${encode('billing:secre')}YWJj`],
    ['too much padding', `Basic ${encode('a:b')}===`],
    ['one left-over digit', `Basic ${encode('abc:de')}A`],
    ['left-over bits that are not zero', 'Basic YTpiYx=='],
    ['invalid UTF-8', `Basic ${encode(Buffer.from([0x61, 0x3a, 0xff, 0xfe]))}`],
    ['overlong UTF-8', `Basic ${encode(Buffer.from([0x61, 0xc0, 0xba, 0x62]))}`],
    ['parameters as of another scheme', 'Basic username="billing"'],
  ])('B02 refuses %s, as broken credentials of ours', (_, field) => {
    expect(namesScheme(field, 'basic')).toBe(true);
    expect(parseBasic(field)).toBeUndefined();
  });

  test.each(['', 'Bearer abc', 'Basically abc', 'Basic2 abc', 'Basic-x abc', 'Digest Basic', ' Basic abc', `XBasic ${encode('a:b')}`])(
    'B01 takes "%s" for another scheme',
    (field) => {
      expect(namesScheme(field, 'basic')).toBe(false);
      expect(parseBasic(field)).toBeUndefined();
    },
  );

  test('B02 reads 64 KiB of credentials', () => {
    const password = 'p'.repeat(65_536);
    expect(parseBasic(`Basic ${encode(`billing:${password}`)}`)).toEqual({ username: 'billing', password });
  });

  test('B02 reads back whatever was written, and never throws', () => {
    const text = (minLength: number) => fc.string({ unit: 'binary', minLength }).filter((each) => !/\p{Cc}/u.test(each));
    const username = text(1).filter((each) => !each.includes(':'));
    fc.assert(
      fc.property(username, text(0), (name, password) => {
        expect(parseBasic(`Basic ${encode(`${name}:${password}`)}`)).toEqual({ username: name, password });
      }),
    );
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        expect(parseBasic(text)).toBeUndefined();
        const bytes = Buffer.from(text, 'latin1');
        const credentials = parseBasic(`Basic ${encode(bytes)}`);
        expect(credentials === undefined ? bytes : Buffer.from(`${credentials.username}:${credentials.password}`)).toEqual(bytes);
      }),
    );
  });
});
