/** Commands whose stdout takes nothing: a script must not take what is missing for an answer. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { ORDERS_TOKEN, secretHash } from '../helpers/broker.ts';
import { startBrokerProcess } from '../helpers/broker-process.ts';
import { tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const MAIN = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url));

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-output-'));
});
afterEach(() => rm(folder, { recursive: true }));

const file = () => join(folder, 'sidecar.config.json');

async function write(tokenEndpoint = 'http://127.0.0.1:1/token'): Promise<void> {
  const config = {
    listeners: { local: { address: '127.0.0.1:8080', authenticate: ['basic'] } },
    callers: { app: { basic: { passwordHash: await secretHash() } } },
    authorizationServers: { as: { tokenEndpoint } },
    tokens: { orders: ORDERS_TOKEN },
    routes: { orders: { path: '/orders', callers: ['app'], token: 'orders', upstream: 'https://api.acme.example' } },
  };
  await writeFile(file(), JSON.stringify(config));
}

function start(args: readonly string[], stdout: number): ChildProcess {
  return spawn(process.execPath, ['--no-warnings', MAIN, ...args], { stdio: ['pipe', stdout, 'pipe'] });
}

/** On a disk that is full. */
async function runInVain(args: readonly string[], stdin = ''): Promise<{ code: unknown; stderr: string }> {
  const full = await open('/dev/full', 'w');
  const child = start(args, full.fd);
  child.stdin?.end(stdin);
  const [stderr, [code]] = await Promise.all([text(child.stderr as NodeJS.ReadableStream), once(child, 'exit')]);
  await full.close();
  return { code, stderr };
}

const IN_VAIN = { code: 1, stderr: expect.stringMatching(/^(warning: .*\n)*stdout cannot be written \(ENOSPC\)\n$/) };

describe('a command whose stdout cannot be written says so, and ends with 1', () => {
  test.each<[string, string[]]>([
    ['schema', []],
    ['check', ['-c']],
    ['check', ['--format', 'json', '-c']],
    ['explain', ['GET', '/orders', '-c']],
    ['hash-password', []],
    ['start', ['--help']],
  ])('%s %j', async (command, more) => {
    await write();
    expect(await runInVain([command, ...more, ...(more.at(-1) === '-c' ? [file()] : [])], 'secret\n')).toEqual(IN_VAIN);
  });

  test('init, whose password is told this once', async () => {
    const flags = ['--upstream', 'https://api.acme.example', '--issuer', 'https://login.acme.example', '--client-id', 'orders'];
    expect(await runInVain(['init', '--yes', ...flags, '-c', file()])).toEqual(IN_VAIN);
    expect(await readFile(file(), 'utf8')).toContain('passwordHash');
  });

  test('token, which a script would take nothing for', async () => {
    const server = await startScriptedServer({ answer: () => tokenAnswer() });
    await write(`${server.url}/token`);
    expect(await runInVain(['token', 'orders', '-c', file()])).toEqual(IN_VAIN);
    expect(server.requests).toHaveLength(1);
    await server.close();
  });

  test('status and renew of a running broker', async () => {
    const server = await startScriptedServer({ answer: () => tokenAnswer() });
    await write(`${server.url}/token`);
    const broker = await startBrokerProcess({
      config: {
        ...(JSON.parse(await readFile(file(), 'utf8')) as object),
        listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic'] } },
      },
    });
    const admin = broker.url('admin');
    expect(await runInVain(['status', '--admin', admin])).toEqual(IN_VAIN);
    expect(await runInVain(['renew', 'orders', '--admin', admin])).toEqual(IN_VAIN);
    await broker.close();
    await server.close();
  });

  test('but keeps its own exit code where it has failed anyway', async () => {
    await writeFile(file(), '{}');
    expect((await runInVain(['check', '--format', 'json', '-c', file()])).code).toBe(2);
  });
});
