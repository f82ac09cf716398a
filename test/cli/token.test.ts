import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';
import { run } from './run.ts';

let server: ScriptedServer;
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-token-'));
});

afterEach(async () => {
  await Promise.all([server?.close(), rm(folder, { recursive: true })]);
});

const SECRET = 'canary-of-the-client';

async function token(answer: Script, ...args: string[]) {
  server = await startScriptedServer({ answer });
  const client = { authorizationServer: 'raw', clientId: 'c', clientAuthentication: { secret: { unsafeInline: SECRET } } };
  const config = {
    listeners: { local: { address: '127.0.0.1:8080', authenticate: ['anonymous'] } },
    authorizationServers: { raw: { tokenEndpoint: `${server.url}/token` } },
    tokens: {
      orders: { ...client, grant: 'client_credentials', scope: 'read' },
      own: { ...client, grant: 'jwt_bearer', subject: 'caller' },
      kept: { ...client, grant: 'refresh_token', refreshToken: { unsafeInline: 'canary-refresh' } },
    },
    routes: {},
    // A store that is not there: the command does not ask it.
    store: {
      redis: { url: { unsafeInline: 'redis://127.0.0.1:1' } },
      encryption: { keys: [{ id: 'a', key: { unsafeInline: Buffer.alloc(32, 1).toString('base64') } }] },
    },
  };
  const file = join(folder, 'sidecar.config.json');
  await writeFile(file, JSON.stringify(config));
  return run(['token', ...args, '-c', file]);
}

const jwt = (claims: object) => `e30.${Buffer.from(JSON.stringify(claims)).toString('base64url')}.c2ln`;
const granted = (value: string) => () => tokenAnswer({ access_token: value, expires_in: 600, scope: 'read' });

describe('token-broker token', () => {
  test('prints the token and nothing else', async () => {
    expect(await token(granted('the-token'), 'orders')).toEqual({ code: 0, stdout: 'the-token\n', stderr: '' });
    expect(server.requests).toHaveLength(1);
  });

  test('--json prints what is known of it, and not the token', async () => {
    const { code, stdout, stderr } = await token(granted('the-token'), 'orders', '--json');
    expect([code, stderr]).toEqual([0, '']);
    expect(JSON.parse(stdout)).toEqual({
      token: 'orders',
      scheme: 'Bearer',
      fingerprint: expect.stringMatching(/^[0-9a-f]{8}$/),
      secondsLeft: expect.any(Number),
      expiresAt: expect.stringMatching(/^\d{4}-.*Z$/),
      scope: 'read',
    });
    expect(stdout).not.toContain('the-token');
  });

  test('--claims prints what a JWT says, and not the token', async () => {
    const value = jwt({ sub: 'orders-client', aud: ['api'] });
    const { code, stdout, stderr } = await token(granted(value), 'orders', '--claims');
    expect([code, stderr, JSON.parse(stdout)]).toEqual([0, '', { sub: 'orders-client', aud: ['api'] }]);
    expect(stdout).not.toContain(value);
  });

  test.each([['opaque'], ['a.b.c'], [`e30.${Buffer.from('"text"').toString('base64url')}.c2ln`]])(
    '--claims says of %s that it is no JWT, with 1',
    async (value) => {
      const { code, stdout, stderr } = await token(granted(value), 'orders', '--claims');
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toBe('the token "orders" is no JWT, so nobody but its server can read it; --json tells what is known of it\n');
    },
  );

  test('says why there is none, without a secret, with 1', async () => {
    const { code, stdout, stderr } = await token(() => oauthError('invalid_client'), 'orders');
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toMatch(/^TOKEN_REJECTED: .*invalid_client/);
    expect(stderr).not.toContain(SECRET);
  });

  test.each([
    ['nobody', 'there is no token "nobody" in the config; it has: orders, own, kept\n'],
    ['constructor', 'there is no token "constructor" in the config; it has: orders, own, kept\n'],
    ['own', 'the token "own" is not obtained here: it is made from what each caller brings\n'],
    ['kept', 'the token "kept" is not obtained here: trying a refresh token may use it up\n'],
  ])('asks nobody for "%s", with 1', async (name, stderr) => {
    expect(await token(() => tokenAnswer(), name)).toEqual({ code: 1, stdout: '', stderr });
    expect(server.requests).toHaveLength(0);
  });

  test('a config that cannot be used is told with its problems, with 2', async () => {
    server = await startScriptedServer({ answer: () => undefined });
    const { code, stdout, stderr } = await run(['token', 'orders', '-c', join(folder, 'none.json')]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain('none.json:1:1');
  });

  test('--json and --claims exclude each other, with 2', async () => {
    const { code, stderr } = await token(() => tokenAnswer(), 'orders', '--json', '--claims');
    expect(code).toBe(2);
    expect(stderr).toContain("cannot be used with option '--claims'");
  });
});
