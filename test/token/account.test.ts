/** Which spellings of a user name are one account. */

import { expect, test } from '@jest/globals';
import { accountId } from '../../src/token/account.ts';

const nameOf = (username: string) => accountId(username, 'p', (...parts) => JSON.stringify(parts)).name;

test('a name is the same with any invisible character or mark in it, also where upper case makes a letter of that', () => {
  const ignored = /^(?:\p{Default_Ignorable_Code_Point}|\p{Cf}|[\u0300-\u036f])$/u;
  const characters = Array.from({ length: 0x11_0000 }, (_, code) => String.fromCodePoint(code)).filter((each) => ignored.test(each));
  expect(characters.length).toBeGreaterThan(4_000);
  expect(characters.filter((each) => nameOf(`al${each}ice`) !== nameOf('Alice'))).toEqual([]);
});
