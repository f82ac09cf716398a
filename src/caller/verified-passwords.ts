/** Credentials that were found right, remembered until the hashes of their account change: hashing stays rare. */

import { RecentMap } from '../recent-map.ts';
import type { Account, Accounts } from './accounts.ts';
import type { Caller } from './caller.ts';
import { CredentialsDigest } from './credentials-digest.ts';

interface Verified {
  readonly account: Account;
  readonly version: number;
}

const MAX_VERIFIED = 10_000;

export class VerifiedPasswords {
  /** What they are remembered under. */
  readonly digest = new CredentialsDigest();
  readonly #verified = new RecentMap<Verified>(MAX_VERIFIED);

  callerOf(digest: string): Caller | undefined {
    const known = this.#verified.get(digest);
    return known !== undefined && known.version === known.account.version() ? known.account.caller : undefined;
  }

  /** @param version of the account, when the hashes were read that the password was compared with */
  add(digest: string, account: Account, version: number): void {
    this.#verified.set(digest, { account, version });
  }

  /**
   * Goes on with what was found under the config before, where the user has all the hashes still that he had then. Changes what `digest`
   * gives: for one that has not been asked for anything yet.
   */
  follow(before: VerifiedPasswords, accounts: Accounts): void {
    this.digest.follow(before.digest);
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
