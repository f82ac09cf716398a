/** Credentials that were found right, remembered until the hashes of their account change: hashing stays rare. */

import { hash, randomBytes } from 'node:crypto';
import { RecentMap } from '../recent-map.ts';
import type { Account, Accounts } from './accounts.ts';
import type { Caller } from './caller.ts';

interface Verified {
  readonly account: Account;
  readonly version: number;
}

const MAX_VERIFIED = 10_000;

export class VerifiedPasswords {
  #key = randomBytes(32).toString('hex');
  readonly #verified = new RecentMap<Verified>(MAX_VERIFIED);

  /**
   * What credentials are remembered under: a digest under a key nobody else has. It is never shown, so SHA-256 may be used without HMAC, which
   * measured 13 µs against 0.3 µs.
   */
  digestOf(text: string): string {
    return hash('sha256', this.#key + text);
  }

  callerOf(digest: string): Caller | undefined {
    const known = this.#verified.get(digest);
    return known !== undefined && known.version === known.account.version() ? known.account.caller : undefined;
  }

  /** @param version of the account, when the hashes were read that the password was compared with */
  add(digest: string, account: Account, version: number): void {
    this.#verified.set(digest, { account, version });
  }

  /**
   * Goes on with what was found under the config before, where the user has all the hashes still that he had then. Changes what `digestOf` gives: for
   * one that has not been asked for anything yet.
   */
  follow(before: VerifiedPasswords, accounts: Accounts): void {
    this.#key = before.#key;
    for (const [digest, { account, version }] of before.#verified) {
      if (version !== account.version()) continue;
      const now = accounts.get(account.username);
      if (now !== undefined && hasAllOf(now.hashTexts(), account.hashTexts())) this.add(digest, now, now.version());
    }
  }
}

function hasAllOf(hashTexts: readonly string[], before: readonly string[]): boolean {
  return before.every((hashText) => hashTexts.includes(hashText));
}
