import { writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { bent, ENV, type Loose, PASSWORD_HASH, useDirectory, validConfig } from '../config/fixture.ts';
import { run } from './run.ts';

const directory = useDirectory();
const file = () => directory.path('sidecar.config.json');

async function check(config: string | Loose, args: readonly string[] = [], env: NodeJS.ProcessEnv = ENV) {
  await writeFile(file(), typeof config === 'string' ? config : JSON.stringify(config, null, 2));
  return run(['check', '-c', file(), ...args], { env });
}

/** Seven mistakes of seven kinds, each where a secret stands beside it. */
const SEVEN = `{
  // an unknown key
  "listeners": { "local": { "address": "127.0.0.1:0", "authenticate": ["basic"], "tlss": true } },
  "callers": {
    // a plain password where its hash belongs
    "app": { "basic": { "passwordHash": "canary-password" } },
  },
  "authorizationServers": {
    // a token endpoint without TLS
    "acme": { "tokenEndpoint": "http://login.example/token" },
  },
  "tokens": {
    // a plain secret where a reference belongs
    "orders": { "authorizationServer": "acme", "grant": "client_credentials", "clientId": "a", "clientAuthentication": { "secret": "canary-secret" } },
    // an environment variable that is not set
    "ledger": { "authorizationServer": "acme", "grant": "client_credentials", "clientId": "a", "clientAuthentication": { "secret": { "fromEnv": "CANARY" } } },
  },
  "routes": {
    // an unknown token, and below it a key that is missing
    "orders": { "path": "/orders", "callers": ["app"], "token": "oders", "upstream": "https://orders.example" },
    "ledger": { "path": "/ledger", "callers": ["app"], "token": "ledger", "headers": { "X-Key": "canary-key" } },
  },
}
`;

describe('token-broker check', () => {
  test('prints exactly one line for each of seven mistakes, with its place and no secret, and exits with 2', async () => {
    const { code, stdout, stderr } = await check(SEVEN);
    expect(stderr.split('\n')).toEqual([
      `${file()}:3:82: "listeners.local.tlss" is not a known key; did you mean "tls"?`,
      `${file()}:6:41: "callers.app.basic.passwordHash" is not a password hash that can be used; give what "token-broker hash-password" prints (argon2id or scrypt), or bcrypt`,
      `${file()}:10:32: "authorizationServers.acme.tokenEndpoint" is http to a host that is not loopback, where client secrets travel unencrypted; use https, or say "unsafeHttp": true`,
      `${file()}:14:132: "tokens.orders.clientAuthentication.secret" is not a reference; write { "fromEnv": "NAME" }, { "fromFile": "path" } or, for a demo, { "unsafeInline": "…" }`,
      `${file()}:16:145: "tokens.ledger.clientAuthentication.secret.fromEnv" names an environment variable that is not set; set it, or correct the name`,
      `${file()}:20:65: "routes.orders.token" names unknown token "oders"; did you mean "orders"?`,
      `${file()}:21:15: "routes.ledger.upstream" is missing; give a string such as "https://api.example.com"`,
      '',
    ]);
    expect(stdout).toBe('');
    expect(stderr).not.toMatch(/canary/i);
    expect(code).toBe(2);
  });

  test('says in one line what a sound config holds, and exits with 0', async () => {
    const config = bent((draft) => {
      draft['routes'].second = { path: '/second', callers: ['app'], token: 'orders', upstream: 'https://orders.example' };
    });
    expect(await check(config)).toEqual({ code: 0, stdout: `${file()}: ok (1 listener, 1 caller, 1 token, 2 routes)\n`, stderr: '' });
  });

  test('counts the callers of the htpasswd file among the others', async () => {
    await writeFile(directory.path('callers.htpasswd'), `ann:${PASSWORD_HASH}\nben:${PASSWORD_HASH}\n`);
    const config = bent((draft) => {
      draft['callersFile'] = 'callers.htpasswd';
    });
    expect(await check(config)).toMatchObject({ code: 0, stdout: `${file()}: ok (1 listener, 3 callers, 1 token, 1 route)\n` });
  });

  test('prints warnings as such, and still exits with 0', async () => {
    const config = bent((draft) => {
      draft['authorizationServers'].acme.unsafeHttp = true;
    });
    const { code, stdout, stderr } = await check(config);
    expect(stderr).toMatch(/^warning: .*sidecar\.config\.json:\d+:\d+: "authorizationServers\.acme\.unsafeHttp" lets client secrets .*\n$/);
    expect(stdout).toContain(': ok (');
    expect(code).toBe(0);
  });

  test('prints one JSON document where that is asked for', async () => {
    const bad = await check(SEVEN, ['--format', 'json']);
    const verdict = JSON.parse(bad.stdout);
    expect(verdict).toMatchObject({ valid: false, warnings: [] });
    expect(verdict.problems).toHaveLength(7);
    expect(verdict.problems[0]).toEqual({
      file: file(),
      line: 3,
      column: 82,
      path: 'listeners.local.tlss',
      message: 'is not a known key; did you mean "tls"?',
    });
    expect([bad.code, bad.stderr]).toEqual([2, '']);
    const good = await check(validConfig(), ['--format', 'json']);
    expect(JSON.parse(good.stdout)).toEqual({ valid: true, problems: [], warnings: [] });
    expect([good.code, good.stderr]).toEqual([0, '']);
  });

  test('takes sidecar.config.json of the current directory when no file is named', async () => {
    await writeFile(file(), JSON.stringify(validConfig()));
    const { code, stdout } = await run(['check'], { env: ENV, cwd: dirname(file()) });
    expect([code, stdout]).toEqual([0, 'sidecar.config.json: ok (1 listener, 1 caller, 1 token, 1 route)\n']);
  });

  test('L11 has one clear line for a file that is not there', async () => {
    const missing = directory.path('missing.json');
    expect(await run(['check', '-c', missing])).toEqual({
      code: 2,
      stdout: '',
      stderr: `${missing}:1:1: does not exist; name the config with -c FILE\n`,
    });
  });

  test('K05 refuses an environment that turns certificate checks off', async () => {
    const { code, stderr } = await check(validConfig(), [], { ...ENV, NODE_TLS_REJECT_UNAUTHORIZED: '0' });
    expect(stderr).toContain(`${file()}:1:1: the environment has NODE_TLS_REJECT_UNAUTHORIZED=0`);
    expect(code).toBe(2);
  });

  test('refuses bad usage with 2', async () => {
    for (const args of [['--format', 'xml'], ['--nonsense'], ['-c']]) {
      const { code, stdout, stderr } = await run(['check', ...args]);
      expect([code, stdout]).toEqual([2, '']);
      expect(stderr).toMatch(/^error: /);
    }
  });

  test('has an example in its help', async () => {
    const { code, stdout } = await run(['check', '--help']);
    expect(stdout).toContain('Example:\n  token-broker check -c ');
    expect(code).toBe(0);
  });
});
