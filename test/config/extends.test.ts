import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigError, formatProblem } from '../../src/config/problem.ts';
import { ENV, type Loose, useDirectory, validConfig } from './fixture.ts';

const directory = useDirectory();
let count = 0;

/** Writes files into a folder of their own, by name; gives the path of one. */
async function placed(files: Readonly<Record<string, string | Loose>>): Promise<(name: string) => string> {
  count += 1;
  const path = (name: string) => directory.path(`${count}/${name}`);
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(path(name)), { recursive: true });
    await writeFile(path(name), typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 });
  }
  return path;
}

/** The lines that loading ends with, the folder left out. */
async function problemsOf(files: Readonly<Record<string, string | Loose>>, name = 'own.json'): Promise<string[]> {
  const path = await placed(files);
  const error = await loadConfig(path(name), { env: ENV }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(ConfigError);
  return (error as ConfigError).problems.map((problem) => formatProblem(problem).replaceAll(`${dirname(path('x'))}/`, ''));
}

describe('a config that extends another', () => {
  test('is merged over it: objects merge, lists, values and null replace', async () => {
    const base = validConfig();
    base['routes'].orders.methods = ['GET', 'POST'];
    base['log'] = { level: 'debug' };
    const path = await placed({
      'base.json': base,
      'own.json': {
        extends: 'base.json',
        routes: { orders: { methods: ['PUT'], token: null }, more: { path: '/more', token: 'orders', upstream: 'https://more.example' } },
        log: { access: false },
      },
    });
    const { config } = await loadConfig(path('own.json'), { env: ENV });
    expect(config.routes['orders']).toMatchObject({
      path: '/orders',
      methods: ['PUT'],
      token: null,
      upstream: 'https://orders.example/v1',
    });
    expect(Object.keys(config.routes)).toEqual(['orders', 'more']);
    expect(config.log).toEqual({ level: 'debug', access: false });
  });

  test('replaces a reference as a whole, and reads each path from the folder of the file in which it stands', async () => {
    const persist = { grant: 'refresh_token', refreshToken: { fromFile: 'token' }, persist: 'kept', persistKey: { fromFile: 'key' } };
    const base = validConfig();
    base['tokens'].kept = { ...base['tokens'].orders, ...persist };
    const path = await placed({
      'shared/base.json': base,
      'shared/token': 'first token',
      'shared/key': Buffer.alloc(32, 1).toString('base64'),
      secret: 'from a file',
      'own.json': {
        extends: './shared/base.json',
        tokens: { orders: { clientAuthentication: { secret: { fromFile: 'secret' } } } },
      },
    });
    const { config } = await loadConfig(path('own.json'), { env: ENV });
    const { orders, kept } = config.tokens as Loose;
    expect(orders.clientAuthentication.secret[0].reveal()).toBe('from a file');
    expect(kept.refreshToken.reveal()).toBe('first token');
    expect(kept.persist.path).toBe(path('shared/kept'));
  });

  test('may be a chain, and neither "$schema" nor "extends" is inherited', async () => {
    const path = await placed({
      'a.json': { extends: 'b/b.json', log: { level: 'warn' } },
      'b/b.json': { $schema: './elsewhere.json', extends: '../c.json', log: { level: 'debug', access: false } },
      'c.json': validConfig(),
    });
    const { config } = await loadConfig(path('a.json'), { env: ENV });
    expect(config).toMatchObject({ log: { level: 'warn', access: false }, routes: { orders: {} } });
    expect([config.$schema, config.extends]).toEqual([undefined, undefined]);
  });

  test('K01 has each problem where the value stands, in the order of the files', async () => {
    const base = validConfig();
    base['routes'].orders.upstream = 'nowhere';
    const text = JSON.stringify(base, null, 1);
    const line = text.slice(0, text.indexOf('"nowhere"')).split('\n').length;
    expect(
      await problemsOf({
        'own.json': '{\n  "extends": "base.json",\n  "routes": { "orders": { "tokn": "orders" }, "empty": {} },\n  "logg": 1\n}',
        'base.json': text,
      }),
    ).toEqual([
      'own.json:3:27: "routes.orders.tokn" is not a known key; did you mean "token"?',
      expect.stringMatching(/^own\.json:3:56: "routes\.empty\.path" is missing; give /),
      'own.json:3:56: "routes.empty.token" is missing; give a string such as "orders", or null',
      expect.stringMatching(/^own\.json:3:56: "routes\.empty\.upstream" is missing; give /),
      'own.json:4:3: "logg" is not a known key; did you mean "log"?',
      `base.json:${line}:16: "routes.orders.upstream" is not a URL; write it in full, such as https://api.example.com/v1`,
    ]);
  });

  test('K01 has one problem with a chain that cannot be read, at the key that names the file', async () => {
    const extending = (name: unknown) => ({ 'own.json': `{ "extends": ${JSON.stringify(name)} }` });
    const wayOut = 'relative paths begin at the directory of the file that names it';
    expect(await problemsOf(extending('canary.json'))).toEqual([`own.json:1:14: "extends" names a file that does not exist; ${wayOut}`]);
    expect(await problemsOf(extending('.'))).toEqual([`own.json:1:14: "extends" names a file that is a directory; ${wayOut}`]);
    expect(await problemsOf(extending(['a.json']))).toEqual([
      'own.json:1:14: "extends" is not the path of a file; give one as a string, or remove it',
    ]);
    expect(await problemsOf({ ...extending('b.json'), 'b.json': '[]' })).toEqual(['b.json:1:1: is no config: it must be an object']);
    expect(await problemsOf({ ...extending('b.json'), 'b.json': '{ "log": }' })).toEqual([
      'b.json:1:10: a value is expected here; give one, or remove the comma or key before it',
    ]);
  });

  test('K01 names the circle that it is part of', async () => {
    expect(
      await problemsOf({ 'own.json': { extends: 'a.json' }, 'a.json': { extends: 'b.json' }, 'b.json': { extends: 'a.json' } }),
    ).toEqual(['b.json:1:12: "extends" closes a circle: a.json -> b.json -> a.json; remove it from one of them']);
    expect(await problemsOf({ 'own.json': { extends: './own.json' } })).toEqual([
      'own.json:1:12: "extends" closes a circle: own.json -> own.json; remove it from one of them',
    ]);
  });

  test('K01 ends, also where links hide the circle', async () => {
    const path = await placed({ 'own.json': { extends: 'sub/own.json' } });
    await symlink('.', path('sub'));
    const error = await loadConfig(path('own.json'), { env: ENV }).catch((caught: unknown) => caught);
    expect((error as Error).message).toContain('makes a chain of more than 8 files');
  });

  test('K01 is the same as the merged file for what is found in more than one place', async () => {
    expect(
      await problemsOf({
        'own.json': { extends: 'base.json', listeners: { other: { address: '127.0.0.1:9099', authenticate: ['anonymous'] } } },
        'base.json': validConfig(),
      }),
    ).toEqual([expect.stringMatching(/^own\.json:1:\d+: "listeners\.other\.address" is taken by "admin" already; /)]);
  });

  test('is another when any file of the chain changes', async () => {
    const path = await placed({ 'own.json': { extends: 'base.json' }, 'base.json': validConfig() });
    let changes = 0;
    for (const name of ['own.json', 'base.json']) {
      const loaded = await loadConfig(path('own.json'), { env: ENV });
      const changed = Promise.withResolvers<void>();
      const watch = loaded.watch({ intervalMs: 10, onConfigChange: changed.resolve });
      await writeFile(path(name), `${await readFile(path(name), 'utf8')}\n`);
      await changed.promise;
      changes += 1;
      watch.stop();
    }
    expect(changes).toBe(2);
  });
});
