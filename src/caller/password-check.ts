/** Checks Basic credentials against the callers' password hashes, and remembers the outcome so that hashing stays rare. */

import { type Clock, systemClock } from '../clock.ts';
import type { CallerConfig } from '../config/schema/callers.ts';
import type { Secret } from '../config/secret.ts';
import type { Fields } from '../message.ts';
import { parsePasswordHash, verifyPassword } from '../password-hash.ts';
import { RecentMap } from '../recent-map.ts';
import { type Account, Accounts, versionOf } from './accounts.ts';
import { parseBasic } from './basic.ts';
import type { Verdict } from './caller.ts';
import { createFairQueue } from './fair-queue.ts';
import { VerifiedPasswords } from './verified-passwords.ts';

export interface PasswordCheck {
  /**
   * Judges the value of an `Authorization` field of the Basic scheme; at once when the outcome is remembered.
   *
   * @param section where it stands as `Authorization`, if it does
   */
  judge(authorization: string, section?: Fields): Verdict | Promise<Verdict>;
  /** Goes on with what the check before this one has found right: a changed config shall not have all callers hashed at once. */
  follow(before: PasswordCheck): void;
  readonly verified: VerifiedPasswords;
}

export interface PasswordCheckOptions {
  readonly callers: Readonly<Record<string, CallerConfig>>;
  /** An htpasswd file with more of them. */
  readonly callersFile?: Secret | undefined;
  readonly clock?: Clock;
  /** Whether `password` is the one behind the PHC string `hashText`; takes some 60 ms of a pool thread. */
  readonly verify?: (hashText: string, password: string) => Promise<boolean>;
}

interface Refused {
  readonly version: number;
  /** Monotonic. */
  readonly untilAt: number;
}

const MAX_REFUSED = 1_000;
/** About 2 s of work at 60 ms and two at once: longer would outlast the patience of most callers. */
const MAX_WAITING = 64;
/** A caller that retries wrong credentials costs one hash in this time; a person who mistyped is not kept waiting. */
const REFUSED_FOR_MS = 10_000;
/** User names hold no colon, so no configured name shares this lane. */
const UNKNOWN_NAMES_LANE = ':';

/** One check may serve several listeners: it then bounds the hashing of all of them together. */
export function createPasswordCheck(options: PasswordCheckOptions): PasswordCheck {
  const { clock = systemClock, verify = verifyHashText } = options;
  const accounts = new Accounts(options.callers, options.callersFile);
  const verified = new VerifiedPasswords();
  const refused = new RecentMap<Refused>(MAX_REFUSED);
  const running = new Map<string, Promise<Verdict>>();
  const queue = createFairQueue(MAX_WAITING);

  /** An unknown name is checked against an account chosen by the name, so that it takes as long as a known one. */
  function decoyFor(username: string): Account | undefined {
    return accounts.pick(Number.parseInt(verified.digest.ofText(username).slice(0, 8), 16));
  }

  async function compute(digest: string, account: Account | undefined, username: string, password: string): Promise<Verdict> {
    const version = versionOf(account);
    const checked = account ?? decoyFor(username);
    const lane = account === undefined ? UNKNOWN_NAMES_LANE : username;
    const matches = checked !== undefined && (await queue.run(lane, () => anyMatches(checked, password, verify)));
    if (matches && account !== undefined) {
      verified.add(digest, account, version);
      return account.caller;
    }
    refused.set(digest, { version, untilAt: clock.monotonic() + REFUSED_FOR_MS });
    return 'refused';
  }

  function judge(digest: string, authorization: string): Verdict | Promise<Verdict> {
    const credentials = parseBasic(authorization);
    if (credentials === undefined) return 'refused';
    const { username, password } = credentials;
    const account = accounts.get(username);
    const refusal = refused.get(digest);
    if (refusal?.version === versionOf(account) && clock.monotonic() < refusal.untilAt) return 'refused';
    // The version is part of the name: what is being checked against a replaced hash is not shared with who comes after.
    const id = `${digest}:${versionOf(account)}`;
    const shared = running.get(id);
    if (shared !== undefined) return shared;
    const verdict = compute(digest, account, username, password).finally(() => running.delete(id));
    running.set(id, verdict);
    return verdict;
  }

  return {
    judge(authorization, section) {
      const digest = verified.digest.of(authorization, section);
      return verified.callerOf(digest) ?? judge(digest, authorization);
    },
    follow: (before) => verified.follow(before.verified, accounts),
    verified,
  };
}

async function anyMatches(account: Account, password: string, verify: NonNullable<PasswordCheckOptions['verify']>): Promise<boolean> {
  for (const hashText of account.hashTexts()) if (await verify(hashText, password)) return true;
  return false;
}

async function verifyHashText(hashText: string, password: string): Promise<boolean> {
  const passwordHash = parsePasswordHash(hashText);
  return passwordHash !== undefined && (await verifyPassword(passwordHash, password));
}
