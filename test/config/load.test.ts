import { mkdir, writeFile } from 'node:fs/promises';
import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { loadConfig } from '../../src/config/load.ts';
import { ConfigError, formatProblem } from '../../src/config/problem.ts';
import { bent, clientSecret, type Loose, load, said, useDirectory, validConfig, verdict } from './fixture.ts';

const directory = useDirectory();
const file = () => directory.path('sidecar.config.json');

function rename(entry: Loose, from: string, to: string): void {
  entry[to] = entry[from];
  delete entry[from];
}

describe('a config that is right', () => {
  test('is returned with its defaults, durations in milliseconds, and secrets filled', async () => {
    const loaded = await load(file(), validConfig());
    const { config, warnings } = loaded;
    expect(warnings).toEqual([]);
    expect(config.admin.address).toEqual({ kind: 'tcp', host: '127.0.0.1', port: 9099 });
    expect(config.shutdown.grace).toBe(25_000);
    expect(clientSecret(loaded).reveal()).toBe('client secret from the environment');
  });

  test('K01 may have comments, trailing commas, tabs, a byte order mark and any line ending', async () => {
    const text = JSON.stringify(validConfig(), null, '\t').replace('{', '{ // comment\r\n/* another */').replace(/\}$/, ',}');
    const { problems, warnings } = await verdict(file(), `\uFEFF${text.replaceAll('\n', '\r\n')}\n`);
    expect(said([...problems, ...warnings])).toEqual([]);
  });

  test('never shows a secret when it is printed', async () => {
    const loaded = await load(file(), validConfig());
    const shown = inspect(loaded, { depth: 20, showHidden: true }) + JSON.stringify(loaded);
    expect(shown).not.toContain('client secret');
  });
});

describe('a file that is no config', () => {
  const onlyProblem = async (path: string) => {
    const error = await loadConfig(path).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConfigError);
    expect((error as ConfigError).problems).toHaveLength(1);
    return (error as ConfigError).message;
  };

  test('K01 is one problem when it is missing', async () => {
    const path = directory.path('nowhere.json');
    expect(await onlyProblem(path)).toBe(`${path}:1:1: does not exist; name the config with -c FILE`);
  });

  test('K01 is one problem when it is a directory', async () => {
    const path = directory.path('directory');
    await mkdir(path);
    expect(await onlyProblem(path)).toContain('is a directory');
  });

  test('K01 is one problem when it is a device', async () => {
    expect(await onlyProblem('/dev/zero')).toContain('is not a regular file');
  });

  test.each([
    ['empty', ''],
    ['only white space', ' \n\t '],
    ['only a comment', '// nothing yet\n'],
    ['only a byte order mark', '\uFEFF'],
  ])('K01 is one problem when it is %s', async (_what, text) => {
    await writeFile(file(), text);
    expect(await onlyProblem(file())).toContain(':1:1: is empty; write a config');
  });

  test('K01 is one problem when it is 10 MiB', async () => {
    await writeFile(file(), Buffer.alloc(10 * 1024 ** 2, '['));
    expect(await onlyProblem(file())).toContain('is larger than 1 MiB');
  });

  test('K01 is one problem when it is nested a million levels deep', async () => {
    await writeFile(file(), '['.repeat(1024 ** 2));
    expect(await onlyProblem(file())).toContain(':1:65: is nested deeper than 64 levels');
  });

  test('K01 is one problem when it is not UTF-8', async () => {
    await writeFile(file(), Buffer.from([0x7b, 0xff, 0x7d]));
    expect(await onlyProblem(file())).toBe(`${file()}:1:1: is not UTF-8 text; save it as UTF-8`);
  });

  test.each(['[]', '5', '"text"', 'null'])('K01 is one problem when it is %s and not an object', async (text) => {
    await writeFile(file(), text);
    expect(await onlyProblem(file())).toContain(':1:1: must be an object with "listeners"');
  });

  test('K01 tells every line with a syntax error, once, with its place and the way out', async () => {
    const text = '{\n "a" 1,\n "b": nil,\n "c": [1 2],\n "d": "text,\n "e": { },,\n "f": 1\n}\n}';
    const { problems } = await verdict(file(), text);
    expect(problems.map(({ line, column, message }) => `${line}:${column} ${message.split(';')[0]}`)).toEqual([
      '2:6 a ":" is expected here',
      '3:7 is not JSON',
      '4:10 a "," is expected here',
      '5:7 a string begins here and does not end on its line',
      '6:2 a "," is expected here',
      '9:1 the config ends before this',
    ]);
  });

  test.each([
    ['a key without quotes', '{ listeners: {} }', '1:3: is not JSON; keys and strings need double quotes'],
    ['single quotes', "{ 'listeners': {\n} }", '1:3: is in single quotes; JSON has double quotes'],
    ['a word of Python', '{ "a": True,\n"b": 1 }', '1:8: is not JSON; write true, false or null in small letters'],
    ['a comment of YAML', '# mine\n{}', '1:1: is not a comment; write // or /* */'],
    ['YAML', '\nlisteners:\n  local: {}\n', '2:1: is not JSON, which begins with "{"; YAML, TOML and lists of variables are not read'],
    ['variables', 'A=1\nB=2\n', '1:1: is not JSON, which begins with "{"; YAML, TOML and lists of variables are not read'],
    ['a comma too many', '{ "listeners": {},, "a": 1 }', '1:19: is a "," too many; remove it'],
    ['a brace too few', '{ "listeners": {\n}', '2:2: a "}" is expected here; close every object'],
    ['a comment without an end', '{}\n/* and', '2:1: a comment begins here and never ends; write "*/"'],
  ])('K01 names the place of %s', async (_what, text, expected) => {
    await writeFile(file(), text);
    expect(await onlyProblem(file())).toBe(`${file()}:${expected}`);
  });

  test('K01 does not flood the terminal with the syntax errors of a file of another kind', async () => {
    const { problems } = await verdict(file(), `{${'"a": b,\n'.repeat(1000)}}`);
    expect(problems).toHaveLength(21);
    expect(problems.at(-1)?.message).toBe('and 980 more syntax errors; is this the right file?');
  });
});

describe('a config with problems', () => {
  test('tells all of them at once, in the order of the file, with what is wrong and the way out', async () => {
    const text = `{
  "listeners": { "local": { "adress": "127.0.0.1:0", "authenticate": ["basic"] } },
  "callers": { "app": { "basic": { "passwordHash": 5 } } },
  "tokens": { "orders": { "grant": "implicit" } },
  "routes": {
    "orders": { "path": "/orders", "callers": ["ap"], "token": "order", "upstream": "http://orders.example" },
    "ledger": { "token": null, "via": "no" }
  },
  "shutdown": { "grace": 25 }
}`;
    const { problems } = await verdict(file(), text);
    expect(problems.map(formatProblem)).toEqual(
      [
        '2:29: "listeners.local.adress" is not a known key; did you mean "address"?',
        '3:52: "callers.app.basic.passwordHash" is neither a string nor a reference; write the text itself, { "fromEnv": "NAME" } or { "fromFile": "path" }',
        '4:36: "tokens.orders.grant" is not a supported grant; use one of "client_credentials", "password", "refresh_token", "token_exchange", "jwt_bearer", "saml2_bearer"',
        '6:48: "routes.orders.callers[0]" names unknown caller "ap"; did you mean "app"?',
        '6:64: "routes.orders.token" names unknown token "order"; did you mean "orders"?',
        '6:85: "routes.orders.upstream" is http to a host that is not loopback, where the token travels unencrypted; use https, or say "unsafeHttp": true',
        '7:15: "routes.ledger.path" is missing; give a string such as "/orders"',
        '7:15: "routes.ledger.upstream" is missing; give a string such as "https://api.example.com"',
        '7:39: "routes.ledger.via" must be true or false',
        '9:26: "shutdown.grace" must be a string such as "30s"',
      ].map((line) => `${file()}:${line}`),
    );
  });

  test('K01 has a problem for each unknown key, at the key, with a suggestion where one is near', async () => {
    const config = bent(({ routes }) => Object.assign(routes.orders, { metods: ['GET'], zzzzzzzz: 1 }));
    const { problems } = await verdict(file(), config);
    expect(said(problems)).toEqual([
      'routes.orders.metods is not a known key; did you mean "methods"?',
      expect.stringMatching(/^routes\.orders\.zzzzzzzz is not a known key; remove it, or use one of: path, host, methods,/),
    ]);
    const [line] = JSON.stringify(config, null, 2)
      .split('\n')
      .flatMap((text, index) => (text.includes('"metods"') ? [index + 1] : []));
    expect(problems[0]).toMatchObject({ line, column: 7 });
  });

  test('K01 tells a misspelt section once, and not that everything in it is unknown', async () => {
    const { tokens, ...rest } = validConfig();
    const { problems } = await verdict(file(), { ...rest, token: tokens });
    expect(said(problems)).toEqual(['token is not a known key; did you mean "tokens"?']);
  });

  test('K01 tells a misspelt key of a reference once', async () => {
    const { problems } = await verdict(
      file(),
      bent(({ tokens }) => {
        tokens.orders.clientAuthentication.secret = { fromEnvironment: 'CLIENT_SECRET' };
      }),
    );
    expect(said(problems)).toEqual([expect.stringContaining('secret.fromEnvironment is not a known key')]);
  });

  test('does not blame a reference to an entry that has a problem of its own', async () => {
    const { problems } = await verdict(
      file(),
      bent((config) => {
        config['tokens'].orders.clientId = '';
        config['callers'].app = {};
        config['listeners'].local.authenticate = 'basic';
        config['routes'].orders.listeners = ['local'];
      }),
    );
    expect(problems.map(({ path }) => path)).toEqual(['listeners.local.authenticate', 'callers.app', 'tokens.orders.clientId']);
  });

  test('K01 refuses a key that is there twice, at the second', async () => {
    const text = JSON.stringify(validConfig(), null, 1).replace('"path": "/orders"', '"path": "/a",\n"path": "/orders"');
    const { problems } = await verdict(file(), text);
    expect(said(problems)).toEqual(['routes.orders.path is there twice; remove one of the two']);
    expect(problems[0]?.column).toBe(1);
  });

  test.each(['__proto__', 'constructor', 'prototype__', 'hasOwnProperty'])('K01 survives the key %s wherever it stands', async (key) => {
    for (const text of [`{ "${key}": { "polluted": true } }`, JSON.stringify(validConfig()).replace('"app"', `"${key}"`)]) {
      const { problems } = await verdict(file(), text);
      expect(problems.length).toBeGreaterThan(0);
    }
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });

  test('K01 keeps each problem on one line, whatever a key holds', async () => {
    const { problems } = await verdict(file(), { ...validConfig(), [`a\n\u001b[31m"${'x'.repeat(500)}`]: 1 });
    const [line] = problems.map(formatProblem);
    expect(line).toMatch(/^[\x20-\x7e…]+$/);
    expect(line?.length).toBeLessThan(500);
  });

  test('K01 words every wrong type', async () => {
    const bends: [string, (config: ReturnType<typeof validConfig>) => void][] = [
      ['listeners must be an object with an entry for each, by its name', (config) => (config['listeners'] = [])],
      ['routes.orders.target is not a known key; did you mean "upstream"?', ({ routes }) => rename(routes.orders, 'upstream', 'target')],
      [
        'tokens.orders.client_secret is not a known key; did you mean "clientAuthentication"?',
        ({ tokens }) => rename(tokens.orders, 'clientAuthentication', 'client_secret'),
      ],
      ['log must be an object with keys such as "level"', (config) => (config['log'] = 'debug')],
      ['routes.orders.callers must be a list such as [ "billing" ]', ({ routes }) => (routes.orders.callers = 'app')],
      ['tokens.orders.scope must be a string such as "orders.read orders.write"', ({ tokens }) => (tokens.orders.scope = ['a'])],
      [
        'tokens.orders.clientAuthentication.secret.fromEnv is not the name of an environment variable; write the name alone, without "$" and braces',
        ({ tokens }) => (tokens.orders.clientAuthentication.secret = { fromEnv: '$SECRET' }),
      ],
      [
        'authorizationServers.acme.issuer is where a metadata document stands; give the "issuer" that is in that document',
        ({ authorizationServers }) => (authorizationServers.acme.issuer = 'https://a.example/.well-known/openid-configuration'),
      ],
      ['listeners is empty; define at least one listener', (config) => (config['listeners'] = {})],
      ['listeners is missing; give an object with an entry for each, by its name', (config) => delete config['listeners']],
      ['listeners.local must be an object with "address", "authenticate"', ({ listeners }) => (listeners.local = 'x')],
      ['listeners.local.address is missing; give a string such as "127.0.0.1:8080"', ({ listeners }) => delete listeners.local.address],
      ['listeners.local.address must be a string such as "127.0.0.1:8080"', ({ listeners }) => (listeners.local.address = null)],
      ['listeners.local.authenticate is missing; give a list such as [ "basic" ]', ({ listeners }) => delete listeners.local.authenticate],
      ['listeners.local.limits.maxFields must be a whole number', ({ listeners }) => (listeners.local.limits = { maxFields: 1.5 })],
      ['listeners.local.limits.maxFields is too small; the least is 1', ({ listeners }) => (listeners.local.limits = { maxFields: 0 })],
      [
        'listeners.local.limits.maxFields is too large; the most is 10000',
        ({ listeners }) => (listeners.local.limits = { maxFields: 1e9 }),
      ],
      [
        'listeners.local.unsafeAnonymous can only be true; remove it where it is not meant',
        ({ listeners }) => (listeners.local.unsafeAnonymous = false),
      ],
      ['callers.app.basic.passwordHash is an empty list; give at least one', ({ callers }) => (callers.app.basic.passwordHash = [])],
      [
        'callers.app.basic.passwordHash is missing; give an object such as { "fromEnv": "NAME" }',
        ({ callers }) => delete callers.app.basic.passwordHash,
      ],
      ['callers.app has no way to authenticate; give "basic", "mtls", "jwt" or "negotiate"', ({ callers }) => (callers.app = {})],
      [
        'tokens.orders.grant is missing; give one of "client_credentials", "password", "refresh_token", "token_exchange", "jwt_bearer", "saml2_bearer"',
        ({ tokens }) => delete tokens.orders.grant,
      ],
      [
        'tokens.orders.clientAuthentication.secret is missing; give an object such as { "fromEnv": "NAME" }',
        ({ tokens }) => (tokens.orders.clientAuthentication = {}),
      ],
      [
        'tokens.orders.clientAuthentication.secret must have exactly one of "fromEnv", "fromFile", "unsafeInline"',
        ({ tokens }) => (tokens.orders.clientAuthentication.secret = {}),
      ],
      [
        'log.level must be one of "trace", "debug", "info", "warn", "error", "fatal", "silent"',
        (config) => (config['log'] = { level: 'loud' }),
      ],
      ['readiness must be one of "listening", "tokens"', (config) => (config['readiness'] = true)],
    ];
    for (const [expected, bend] of bends) {
      const { problems } = await verdict(file(), bent(bend));
      expect(said(problems)).toEqual([expected]);
    }
  });
});

describe('what a config is for', () => {
  const withDemo = () =>
    bent((config) => {
      config['demo'] = {
        authorizationServer: { name: 'acme', address: '127.0.0.1:0' },
        upstream: { address: '127.0.0.1:0' },
        call: { listener: 'local', caller: 'app', password: { fromEnv: 'CLIENT_SECRET' }, path: '/orders' },
      };
    });

  test('start refuses a "demo" section, check warns about it, dev takes it', async () => {
    expect(said((await verdict(file(), withDemo())).problems)).toEqual([expect.stringMatching(/^demo is for "token-broker dev" only/)]);
    const checked = await verdict(file(), withDemo(), { use: 'check' });
    expect(said(checked.problems)).toEqual([]);
    expect(said(checked.warnings)).toEqual(['demo is for "token-broker dev"; "token-broker start" refuses it']);
    expect(await verdict(file(), withDemo(), { use: 'dev' })).toEqual({ problems: [], warnings: [] });
  });

  test('a demo must play what is defined', async () => {
    const config = withDemo();
    config['demo'].authorizationServer.name = 'acne';
    config['demo'].call.listener = 'nowhere';
    config['demo'].call.caller = 'nobody';
    expect(said((await verdict(file(), config, { use: 'dev' })).problems)).toEqual([
      'demo.authorizationServer.name names unknown authorization server "acne"; did you mean "acme"?',
      'demo.call.listener names unknown listener "nowhere"; define it under "listeners", or correct the name',
      'demo.call.caller names unknown caller "nobody"; define it under "callers", or correct the name',
    ]);
  });

  test('a demo calls in the clear', async () => {
    const config = withDemo();
    config['listeners'].local.tls = { cert: { fromEnv: 'CERT' }, key: { fromEnv: 'KEY' } };
    expect(said((await verdict(file(), config, { use: 'dev' })).problems)).toContain(
      'demo.call.listener names a listener with "tls"; the call is made in the clear, so name another',
    );
  });

  test('a demo calls with a password', async () => {
    const config = withDemo();
    config['callers'].app = { mtls: { dns: 'app.example' } };
    expect(said((await verdict(file(), config, { use: 'dev' })).problems)).toEqual([
      'demo.call.caller names a caller without "basic" under "callers"; the call is made with its password',
    ]);
  });
});
