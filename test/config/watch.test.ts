import { mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import type { Clock } from '../../src/clock.ts';
import { formatProblem } from '../../src/config/problem.ts';
import type { WatchOptions } from '../../src/config/watch.ts';
import { bent, clientSecret, load, PASSWORD_HASH, useDirectory, validConfig } from './fixture.ts';

const directory = useDirectory();
let count = 0;

/** Each watch in a file of its own: the tests of this file must not see each other's. */
const fresh = (name: string) => {
  count += 1;
  return directory.path(`${count}-${name}`);
};

/** Lets the test say when the next look is taken, and wait until it is over. */
class LookClock implements Clock {
  #look: (() => void) | undefined;
  #armed = Promise.withResolvers<void>();
  readonly delays: number[] = [];

  now = () => 0;
  monotonic = () => 0;
  random = () => 0;

  after = (delayMs: number, action: () => void) => {
    this.delays.push(delayMs);
    this.#look = action;
    this.#armed.resolve();
    return () => {
      this.#look = undefined;
    };
  };

  get armed(): boolean {
    return this.#look !== undefined;
  }

  begin(): Promise<void> {
    this.#armed = Promise.withResolvers();
    const look = this.#look;
    this.#look = undefined;
    look?.();
    return this.#armed.promise;
  }
}

async function watched(secretFile: string, options: WatchOptions = {}) {
  const file = fresh('sidecar.config.json');
  const config = bent(({ tokens }) => {
    tokens.orders.clientAuthentication.secret = { fromFile: secretFile };
  });
  const loaded = await load(file, config);
  const clock = new LookClock();
  const problems: string[] = [];
  const watch = loaded.watch({ clock, onProblem: (problem) => problems.push(formatProblem(problem)), ...options });
  const secret = clientSecret(loaded);
  return { file, secret, clock, problems, watch };
}

const write = (file: string, text: string) => writeFile(file, text, { mode: 0o600 });

describe('watching secrets', () => {
  test('takes over a file that was written, and tells the readers', async () => {
    const secretFile = fresh('secret');
    await write(secretFile, 'one');
    const { secret, clock, problems } = await watched(secretFile);
    let changes = 0;
    secret.onChange(() => {
      changes += 1;
    });
    const before = secret.version;
    await clock.begin();
    expect([secret.reveal(), secret.version, changes]).toEqual(['one', before, 0]);
    await write(secretFile, 'second\n');
    await clock.begin();
    expect([secret.reveal(), secret.version, changes]).toEqual(['second', before + 1, 1]);
    expect(problems).toEqual([]);
  });

  test('L06 takes over a file that was replaced by rename', async () => {
    const secretFile = fresh('secret');
    await write(secretFile, 'one');
    const { secret, clock } = await watched(secretFile);
    await write(`${secretFile}.new`, 'two');
    await rename(`${secretFile}.new`, secretFile);
    await clock.begin();
    expect(secret.reveal()).toBe('two');
  });

  test('L06 takes over a file whose directory was swapped behind a symbolic link, as Kubernetes does', async () => {
    const volume = fresh('volume');
    for (const [name, text] of [
      ['1', 'one'],
      ['2', 'two'],
    ] as const) {
      await mkdir(`${volume}/..${name}`, { recursive: true });
      await write(`${volume}/..${name}/secret`, text);
    }
    await symlink('..1', `${volume}/..data`);
    await symlink('..data/secret', `${volume}/secret`);
    const { secret, clock } = await watched(`${volume}/secret`);
    await symlink('..2', `${volume}/..data_tmp`);
    await rename(`${volume}/..data_tmp`, `${volume}/..data`);
    await clock.begin();
    expect(secret.reveal()).toBe('two');
  });

  test('takes over a file that changed between loading and watching', async () => {
    const secretFile = fresh('secret');
    await write(secretFile, 'one');
    const { secret, clock } = await watched(secretFile);
    expect(secret.reveal()).toBe('one');
    await write(secretFile, 'longer');
    await clock.begin();
    expect(secret.reveal()).toBe('longer');
  });

  test('L07 keeps the value while the file is gone or empty, tells once, and takes the next good one', async () => {
    const secretFile = fresh('secret');
    await write(secretFile, 'one');
    const { file, secret, clock, problems } = await watched(secretFile);
    await rm(secretFile);
    await clock.begin();
    await clock.begin();
    expect(secret.reveal()).toBe('one');
    expect(problems).toEqual([
      expect.stringMatching(
        /"tokens\.orders\.clientAuthentication\.secret\.fromFile" names a file that does not exist; .*; the value from before stays in use$/,
      ),
    ]);
    expect(problems[0]).toMatch(new RegExp(`^${file}:\\d+:\\d+: `));
    await write(secretFile, '');
    await clock.begin();
    await clock.begin();
    expect(problems).toHaveLength(2);
    expect(problems[1]).toContain('names a file that is empty');
    await write(secretFile, 'three');
    await clock.begin();
    expect(secret.reveal()).toBe('three');
    expect(problems).toHaveLength(2);
  });

  test('L07 keeps the value when the file no longer holds what it should, and shows nothing of it', async () => {
    const hashFile = fresh('hash');
    await write(hashFile, PASSWORD_HASH);
    const config = bent(({ callers }) => {
      callers.app.basic.passwordHash = { fromFile: hashFile };
    });
    const { config: parsed, watch } = await load(fresh('sidecar.config.json'), config);
    const clock = new LookClock();
    const problems: string[] = [];
    watch({ clock, onProblem: (problem) => problems.push(formatProblem(problem)) });
    await write(hashFile, 'canary-plain-password');
    await clock.begin();
    expect(parsed.callers['app']?.basic?.passwordHash[0]?.reveal()).toBe(PASSWORD_HASH);
    expect(problems).toEqual([expect.stringContaining('names a file that is not a password hash that can be used')]);
    expect(problems[0]).not.toContain('canary');
  });

  test('L07 tells once of a file that several keys name', async () => {
    const secretFile = fresh('secret');
    await write(secretFile, 'one');
    const config = bent(({ tokens, routes }) => {
      tokens.orders.clientAuthentication.secret = { fromFile: secretFile };
      // Another way to write the same.
      routes.orders.headers = { 'x-key': { fromFile: `./${basename(secretFile)}` }, 'x-other': { fromFile: secretFile } };
    });
    const { watch } = await load(fresh('sidecar.config.json'), config);
    const clock = new LookClock();
    const told: [string, readonly string[]][] = [];
    const filled: string[] = [];
    watch({ clock, onProblem: (problem, others) => told.push([formatProblem(problem), others]), onFilled: (key) => filled.push(key) });
    await write(secretFile, '');
    await clock.begin();
    await clock.begin();
    expect(told).toEqual([
      [
        expect.stringMatching(/"tokens\.orders\.clientAuthentication\.secret\.fromFile" .*; 2 more keys name the same file$/),
        ['routes.orders.headers.x-key.fromFile', 'routes.orders.headers.x-other.fromFile'],
      ],
    ]);
    await write(secretFile, 'two');
    await clock.begin();
    expect([told.length, filled.length]).toEqual([1, 3]);
  });

  test('stops at once, even in the middle of a look', async () => {
    const secretFile = fresh('secret');
    await write(secretFile, 'one');
    const { secret, clock, watch } = await watched(secretFile);
    const other = await watched(secretFile);
    await write(secretFile, 'second');
    void clock.begin();
    watch.stop();
    // Looks that begin later and do as much; one could overtake.
    for (let looks = 0; looks < 5; looks += 1) await other.clock.begin();
    expect([secret.reveal(), other.secret.reveal()]).toEqual(['one', 'second']);
    expect(clock.armed).toBe(false);
  });

  test('looks every two seconds, or as often as it is told', async () => {
    const secretFile = fresh('secret');
    await write(secretFile, 'one');
    const usual = await watched(secretFile);
    await usual.clock.begin();
    const often = await watched(secretFile, { intervalMs: 100 });
    expect([usual.clock.delays, often.clock.delays]).toEqual([[2000, 2000], [100]]);
  });
});

describe('watching the config', () => {
  test('tells once for each change, and not while there is no file', async () => {
    const secretFile = fresh('secret');
    await write(secretFile, 'one');
    let changes = 0;
    const { file, clock } = await watched(secretFile, {
      onConfigChange: () => {
        changes += 1;
      },
    });
    const changesAfter = async (action: () => Promise<void>) => {
      await action();
      await clock.begin();
      return changes;
    };
    expect(await changesAfter(async () => {})).toBe(0);
    expect(await changesAfter(() => writeFile(file, '{}'))).toBe(1);
    expect(await changesAfter(async () => {})).toBe(1);
    expect(await changesAfter(() => rm(file))).toBe(1);
    expect(await changesAfter(() => writeFile(file, '{ }'))).toBe(2);
  });

  test('tells of a change in one file, though the one that it extends is gone at the same moment', async () => {
    const [file, base] = [fresh('own.json'), fresh('base.json')];
    await writeFile(base, JSON.stringify(validConfig()));
    const { watch } = await load(file, { extends: base });
    const clock = new LookClock();
    let changes = 0;
    watch({
      clock,
      onConfigChange: () => {
        changes += 1;
      },
    });
    await Promise.all([rm(base), writeFile(file, '{}')]);
    await clock.begin();
    expect(changes).toBe(1);
  });
});
