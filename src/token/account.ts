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

/**
 * What some server takes for the same account: directories ignore invisible characters and count spaces once (RFC 4518 §2), databases
 * compare without case and accents. Two people who share a name here share no more than the number of wrong passwords.
 */
function folded(username: string): string {
  const plain = username.normalize('NFKD').replace(/[\p{Default_Ignorable_Code_Point}\p{Cf}]|[\u0300-\u036f]/gu, '');
  // Upper case first: it alone knows that "ß" is "ss", and that "i" without a dot is one.
  return plain.trim().replace(/\s+/g, ' ').toUpperCase().toLowerCase();
}
