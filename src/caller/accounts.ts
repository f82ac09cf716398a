/** The accounts that Basic credentials can be for: those of the config, and those of its htpasswd file as it is now. */

import { readHtpasswd } from '../config/htpasswd.ts';
import type { CallerConfig } from '../config/schema/callers.ts';
import type { Secret } from '../config/secret.ts';
import type { Caller } from './caller.ts';

export interface Account {
  readonly username: string;
  readonly caller: Caller;
  /** As they are at the moment: one of them must fit. */
  hashTexts(): readonly string[];
  /** Changes with them, and once there is no such account any more. */
  version(): number;
}

/** What was remembered of an account under another version is worth nothing. */
export function versionOf(account: Account | undefined): number {
  return account === undefined ? NO_ACCOUNT : account.version();
}

const NO_ACCOUNT = 0;
const ENDED = -1;

export class Accounts {
  readonly #ofConfig: ReadonlyMap<string, Account>;
  readonly #file: Secret | undefined;
  #fileVersion = 0;
  #ofFile: ReadonlyMap<string, FileAccount> = new Map();
  #all: readonly Account[];

  constructor(callers: Readonly<Record<string, CallerConfig>>, file: Secret | undefined) {
    this.#ofConfig = accountsOfConfig(callers);
    this.#file = file;
    this.#all = [...this.#ofConfig.values()];
  }

  get(username: string): Account | undefined {
    this.#followFile();
    return this.#ofConfig.get(username) ?? this.#ofFile.get(username);
  }

  /** Some account, always the same for a number while there are the same. */
  pick(number: number): Account | undefined {
    this.#followFile();
    return this.#all[number % this.#all.length];
  }

  /** Who stays as he was keeps his account, and with it what is remembered of it. */
  #followFile(): void {
    if (this.#file === undefined || this.#file.version === this.#fileVersion) return;
    this.#fileVersion = this.#file.version;
    const before = this.#ofFile;
    this.#ofFile = new Map(
      readHtpasswd(this.#file.reveal()).map(({ name, passwordHash }) => {
        const known = before.get(name);
        if (known?.hashText === passwordHash) return [name, known];
        return [name, new FileAccount(name, passwordHash, this.#fileVersion, () => this.#followFile())];
      }),
    );
    for (const [name, account] of before) if (this.#ofFile.get(name) !== account) account.end();
    this.#all = [...this.#ofConfig.values(), ...this.#ofFile.values()];
  }
}

function accountsOfConfig(callers: Readonly<Record<string, CallerConfig>>): Map<string, Account> {
  const accounts = new Map<string, Account>();
  for (const [name, { basic }] of Object.entries(callers)) {
    if (basic === undefined) continue;
    const username = basic.username ?? name;
    accounts.set(username, accountOf(username, { name, method: 'basic' }, basic.passwordHash));
  }
  return accounts;
}

function accountOf(username: string, caller: Caller, passwordHashes: readonly Secret[]): Account {
  return {
    username,
    caller,
    hashTexts: () => passwordHashes.map((secret) => secret.reveal()),
    version: () => {
      let version = 0;
      for (const secret of passwordHashes) version += secret.version;
      return version;
    },
  };
}

class FileAccount implements Account {
  readonly username: string;
  readonly caller: Caller;
  readonly hashText: string;
  readonly #followFile: () => void;
  #version: number;

  constructor(name: string, hashText: string, version: number, followFile: () => void) {
    this.username = name;
    this.caller = { name, method: 'basic' };
    this.hashText = hashText;
    this.#version = version;
    this.#followFile = followFile;
  }

  hashTexts(): readonly string[] {
    return [this.hashText];
  }

  version(): number {
    this.#followFile();
    return this.#version;
  }

  end(): void {
    this.#version = ENDED;
  }
}
