/**
 * The attack: somebody on the same host looks at what a process leaves where others can see it: its arguments, its environment, temporary
 * files, and every file that it has open or has written.
 */

import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, readlink, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { hashPassword } from '../../src/password-hash.ts';
import { run } from '../cli/run.ts';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { type Canaries, createCanaries } from '../helpers/canaries.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

let canaries: Canaries;
let authorizationServer: ScriptedServer;
let origin: ScriptedServer;
let temporary: string;
let broker: BrokerProcess;
let env: Record<string, string>;
/** Of the requests for which each token was needed. */
const statuses: number[] = [];
/** Written by the test, and thus with secrets in them. */
let given: readonly string[];

beforeAll(async () => {
  canaries = createCanaries();
  const [token, rotated, password] = [canaries.plant('token', { plain: true }), canaries.plant('rotated'), canaries.plant('password')];
  authorizationServer = await startScriptedServer({ answer: () => tokenAnswer({ access_token: token, refresh_token: rotated }) });
  origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
  temporary = await mkdtemp(join(tmpdir(), 'token-broker-temporary-'));
  const server = await (await sharedAuthority()).issueServer();
  canaries.watch('private-key', server.key);
  const [persistKey, storeKey] = [randomBytes(32).toString('base64'), randomBytes(32).toString('base64')];
  canaries.watch('persist-key', persistKey);
  canaries.watch('store-key', storeKey);
  const files = {
    'server.key': server.key,
    'client-secret': canaries.plant('client-secret'),
    'persist-key': persistKey,
    'refresh-token': canaries.plant('refresh-token'),
  };
  given = [...Object.keys(files), 'sidecar.config.json'];
  env = { STORE_KEY: storeKey, HASH: await hashPassword(password), OWNER_PASSWORD: canaries.plant('owner-password'), TMPDIR: temporary };
  const client = { authorizationServer: 'as', clientId: 'me', clientAuthentication: { secret: { fromFile: 'client-secret' } } };
  broker = await startBrokerProcess({
    files,
    env,
    config: {
      log: { level: 'trace' },
      listeners: {
        local: { address: '127.0.0.1:0', authenticate: ['basic'] },
        mesh: { address: '127.0.0.1:0', authenticate: ['basic'], tls: { cert: server.cert, key: { fromFile: 'server.key' } } },
      },
      callers: { billing: { basic: { passwordHash: { fromEnv: 'HASH' } } } },
      authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
      tokens: {
        plain: {
          ...client,
          grant: 'client_credentials',
          headers: { 'X-Key': { unsafeInline: canaries.plant('inline', { plain: true }) } },
        },
        owned: { ...client, grant: 'password', resourceOwner: { username: 'owner', password: { fromEnv: 'OWNER_PASSWORD' } } },
        kept: {
          ...client,
          grant: 'refresh_token',
          refreshToken: { fromFile: 'refresh-token' },
          persist: 'state/refresh-token',
          persistKey: { fromFile: 'persist-key' },
        },
      },
      routes: Object.fromEntries(
        ['plain', 'owned', 'kept'].map((name) => [name, { path: `/${name}`, callers: ['billing'], token: name, upstream: origin.url }]),
      ),
      store: { snapshot: 'state/tokens', encryption: { keys: [{ id: 'k', key: { fromEnv: 'STORE_KEY' } }] } },
    },
    folders: ['state'],
  });
  for (const name of ['plain', 'owned', 'kept']) {
    const answer = await request(`${broker.url()}/${name}?q=${canaries.plant('query', { plain: true })}`, {
      user: `billing:${password}`,
    });
    statuses.push(answer.status);
  }
}, 60_000);

afterAll(async () => {
  await broker?.close();
  await Promise.all([authorizationServer?.close(), origin?.close(), rm(temporary, { recursive: true, force: true })]);
});

const proc = (name: string) => `/proc/${broker.pid}/${name}`;

/** Every file below a folder. */
async function filesBelow(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}

describe('what a process leaves where others can see it', () => {
  test('X08 its arguments hold no secret, and its environment is for its own user alone', async () => {
    expect(statuses).toEqual([200, 200, 200]);
    expect(canaries.find(await readFile(proc('cmdline')))).toEqual([]);
    expect((await stat(proc('environ'))).mode & 0o077).toBe(0);
    expect(canaries.find(await readFile(proc('comm')))).toEqual([]);
  });

  test('X08 it has no file open but those of Node and its own pipes and sockets', async () => {
    const open = await Promise.all((await readdir(proc('fd'))).map((fd) => readlink(proc(`fd/${fd}`)).catch(() => 'closed')));
    expect(open.filter((target) => !/^(?:pipe|socket|anon_inode|closed|\/dev\/)/.test(target))).toEqual([]);
  });

  test('X08 it writes no temporary file', async () => {
    expect(await filesBelow(temporary)).toEqual([]);
  });

  test('X08 what it writes at its end, and all along, is sealed and for its own user alone', async () => {
    broker.signal('SIGTERM');
    expect((await broker.exited).code).toBe(0);
    const written = (await filesBelow(broker.directory)).filter((file) => !given.some((name) => file === join(broker.directory, name)));
    expect(written.map((file) => file.slice(broker.directory.length + 1)).sort()).toEqual(['state/refresh-token', 'state/tokens']);
    for (const file of written) {
      expect({ file, found: canaries.find(await readFile(file)) }).toEqual({ file, found: [] });
      expect((await stat(file)).mode & 0o077).toBe(0);
    }
  });

  test('X08 "check" and "explain" show no secret', async () => {
    const config = join(broker.directory, 'sidecar.config.json');
    for (const args of [['check'], ['check', '--format', 'json'], ['explain', 'GET', '/plain', '--caller', 'billing']]) {
      const { code, stdout, stderr } = await run([...args, '-c', config], { env, cwd: broker.directory });
      expect(code).toBe(0);
      expect(stdout).not.toBe('');
      expect(canaries.find(stdout + stderr)).toEqual([]);
    }
  });
});
