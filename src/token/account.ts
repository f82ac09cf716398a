/** Which account a password is tried at, for all tokens of one authorization server. */

import type { KeyedDigest } from './keyed-digest.ts';

/** Digests, so that nothing is kept that could be used. */
export interface AccountId {
  readonly name: string;
  /** Together with the name. */
  readonly password: string;
}

export function accountId(username: string, password: string, digest: KeyedDigest): AccountId {
  const name = folded(username);
  return { name: digest(name), password: digest(name, password) };
}

/** In the order in which the collator has them. */
const PLAIN = '0 1 2 3 4 5 6 7 8 9 a ae b c d dz e f g h i j k l m n o oe p q r s ss t th u v w x y z'.split(' ');

const COLLATOR = new Intl.Collator('en', { sensitivity: 'base' });

/**
 * What some server takes for the same account: directories ignore invisible characters and count spaces once (RFC 4518 §2), databases
 * compare without case and accents, and as the Unicode Collation Algorithm has it "ø" is an "o" there, and "٧" a "7". Two people who share
 * a name here share no more than the number of wrong passwords.
 */
function folded(username: string): string {
  // Before anything else: upper case makes a letter of some of these, and the collator takes others for one.
  const visible = username.normalize('NFKD').replace(/[\p{Default_Ignorable_Code_Point}\p{Cf}]|[\u0300-\u036f]/gu, '');
  // Upper case first: it alone knows that "ß" is "ss", and that "i" without a dot is one.
  const plain = visible
    .toUpperCase()
    .toLowerCase()
    .replace(/\P{ASCII}/gu, plainest);
  return plain.trim().replace(/\s+/g, ' ');
}

/** Nothing, where a character counts for nothing. */
function plainest(character: string): string {
  if (COLLATOR.compare(character, '') === 0) return '';
  let [from, to] = [0, PLAIN.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    const order = COLLATOR.compare(character, PLAIN[middle] as string);
    if (order === 0) return PLAIN[middle] as string;
    if (order < 0) to = middle;
    else from = middle + 1;
  }
  return character;
}
