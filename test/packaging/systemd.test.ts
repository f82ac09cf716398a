/** examples/systemd/ as systemd would run it: its command lines, with places of a test in the place of those of a machine. */

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { findOnPath, projectRoot } from '../../scripts/find-tool.mjs';
import { loadConfig } from '../../src/config/load.ts';
import { hashPassword } from '../../src/password-hash.ts';
import { blocks, read } from '../docs/markdown.ts';
import { buildBundle } from '../helpers/bundle.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';
import { type HttpProxy, startHttpProxy } from '../helpers/http-proxy.ts';
import { freePort } from '../helpers/redis.ts';
import { answerWith, metadataAnswer, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const UNIT = read('examples/systemd/token-broker.service');
const CONFIG = read('examples/systemd/sidecar.config.json');
const PAGE = read('docs/systemd.md');

/** Longer than Jest's own would do: the bundle is built, and some processes start. */
const SLOW_MS = 60_000;

/** All values of a key, in order. */
function valuesOf(key: string, unit = UNIT): string[] {
  return unit.split('\n').flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []));
}

function theValueOf(key: string): string {
  const [value, ...more] = valuesOf(key);
  if (value === undefined || more.length > 0) throw new Error(`the unit has "${key}" ${more.length + (value === undefined ? 0 : 1)} times`);
  return value;
}

const credentials = valuesOf('LoadCredential').map((value) => value.split(':') as [name: string, file: string]);

/** The words of a command line, as systemd.service(5) has them. */
function commandOf(line: string, mainPid: number): [program: string, ...args: string[]] {
  const words = [...line.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '');
  // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of systemd
  return words.map((word) => word.replaceAll('${MAINPID}', String(mainPid))) as [string, ...string[]];
}

/** What is at fixed places of a machine, in folders of this test. */
class Machine {
  readonly folder: string;
  readonly unit: string;
  readonly #places: readonly (readonly [place: string, here: string])[];

  constructor(folder: string) {
    this.folder = folder;
    this.#places = [
      ['/opt/token-broker/token-broker.js', join(projectRoot, 'dist/token-broker.js')],
      ['/opt/token-broker/node/bin', dirname(process.execPath)],
      ['/run/credentials/token-broker.service', join(folder, 'credentials')],
      [`/run/${theValueOf('RuntimeDirectory')}`, join(folder, 'run')],
      [`/var/lib/${theValueOf('StateDirectory')}`, join(folder, 'state')],
      ['/etc/token-broker', join(folder, 'etc')],
    ];
    this.unit = this.moved(UNIT);
  }

  get config(): string {
    return join(this.folder, 'etc/sidecar.config.json');
  }

  moved(content: string): string {
    return this.#places.reduce((moved, [place, here]) => moved.replaceAll(place, here), content);
  }

  /** With the environment that the unit gives it, and nothing else but the store of the system. */
  run(key: 'ExecStart' | 'ExecStartPost' | 'ExecReload', mainPid = 0): ChildProcess {
    const [program, ...args] = commandOf(valuesOf(key, this.unit)[0] ?? '', mainPid);
    const environment = valuesOf('Environment', this.unit).map((value) => value.split('=') as [string, string]);
    const env = { ...Object.fromEntries(environment), SSL_CERT_FILE: join(this.folder, 'company.pem'), SSL_CERT_DIR: this.folder };
    return spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  }
}

/** What a process that ends by itself has to say. */
async function end(child: ChildProcess): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const output = Promise.all([text(child.stdout as NodeJS.ReadableStream), text(child.stderr as NodeJS.ReadableStream)]);
  const [code] = (await once(child, 'exit')) as [number | null];
  const [stdout, stderr] = await output;
  return { code, stdout, stderr };
}

let machine: Machine;
let port: number;
let keycloak: ScriptedServer;
let orders: ScriptedServer;
let proxy: HttpProxy;
let config: string;
beforeAll(async () => {
  machine = new Machine(await mkdtemp(join(tmpdir(), 'token-broker-systemd-')));
  const company = await createAuthority('Company');
  const tls = await company.issueServer();
  keycloak = await startScriptedServer({
    answer: ({ method }) => (method === 'GET' ? metadataAnswer(`${keycloak.url}/realms/main`) : tokenAnswer()),
    tls,
  });
  orders = await startScriptedServer({ answer: () => answerWith(200, [], 'ok'), tls });
  proxy = await startHttpProxy();
  port = await freePort();
  config = machine
    .moved(CONFIG)
    .replaceAll('https://login.acme.example', keycloak.url)
    .replaceAll('https://orders.acme.example', orders.url)
    .replaceAll('http://proxy.acme.example:3128', proxy.url)
    .replace('127.0.0.1:8080', `127.0.0.1:${port}`);
  for (const name of ['etc', 'run', 'state', 'credentials']) await mkdir(join(machine.folder, name), { mode: 0o700 });
  await writeFile(join(machine.folder, 'company.pem'), company.certificate);
  await writeFile(machine.config, config);
  const secrets: Record<string, string> = {
    'billing-password-hash': await hashPassword('secret'),
    'orders-secret': 'a secret',
    'store-key': Buffer.alloc(32, 7).toString('base64'),
  };
  for (const [name, secret] of Object.entries(secrets)) await writeFile(join(machine.folder, 'credentials', name), secret, { mode: 0o400 });
  await buildBundle();
}, SLOW_MS);
afterAll(async () => {
  await Promise.all([keycloak?.close(), orders?.close(), proxy?.close()]);
  await rm(machine.folder, { recursive: true, force: true });
});

describe('the unit', () => {
  test('loads the credentials that the config names, and no others', () => {
    const named = [...CONFIG.matchAll(/"fromFile": "([^"]+)"/g)].map(([, file]) => file);
    expect(credentials.map(([name]) => `/run/credentials/token-broker.service/${name}`).sort()).toEqual(named.sort());
    for (const [name, file] of credentials) expect(basename(file)).toBe(name);
  });

  test('lets the broker write wherever the config has it write', () => {
    expect(CONFIG).toContain(`"unix:/run/${theValueOf('RuntimeDirectory')}/`);
    expect(CONFIG).toContain(`"snapshot": "/var/lib/${theValueOf('StateDirectory')}/`);
  });

  test('its config is one that is accepted without a warning', async () => {
    expect((await loadConfig(machine.config, { env: {} })).warnings).toEqual([]);
  });

  test('waits longer for the end than the broker may take by its defaults, tokens to be given back included', async () => {
    const { delay, grace } = (await loadConfig(machine.config, { env: {} })).config.shutdown;
    expect(theValueOf('TimeoutStopSec')).toMatch(/^\d+s$/);
    expect(Number.parseInt(theValueOf('TimeoutStopSec'), 10) * 1000).toBeGreaterThan(delay + grace + 3000);
  });

  test('is not started again with a config that cannot be used', async () => {
    await writeFile(machine.config, '{}');
    const { code, stderr } = await end(machine.run('ExecStart'));
    await writeFile(machine.config, config);
    expect([String(code), stderr]).toEqual([theValueOf('RestartPreventExitStatus'), expect.stringContaining('"listeners" is missing')]);
  });

  test('leaves V8 the right to compile', () => {
    expect(valuesOf('MemoryDenyWriteExecute')).toEqual([]);
  });

  test('is installed by the page with its config and every secret', () => {
    const commands = blocks('docs/systemd.md', ['sh'])
      .map((block) => block.text)
      .join('\n');
    for (const [, file] of credentials) expect(commands).toContain(file);
    for (const path of ['/opt/token-broker/token-broker.js', '/opt/token-broker/node', '/etc/token-broker/sidecar.config.json'])
      expect(commands).toContain(path);
    expect(PAGE).toContain('](../examples/systemd/token-broker.service)');
  });
});

/** Why the service cannot be run here. */
const lacking = process.platform !== 'linux' ? 'this is not Linux' : findOnPath('curl') === undefined ? 'curl is not installed' : undefined;
if (lacking !== undefined) process.stderr.write(`left out: ${lacking}\n`);
const describeService = lacking === undefined ? describe : describe.skip;

describeService('the service', () => {
  let broker: ChildProcess;
  let ended: ReturnType<typeof end>;
  beforeAll(() => {
    broker = machine.run('ExecStart');
    ended = end(broker);
  });
  afterAll(() => void broker.kill('SIGKILL'));
  const call = (user: string) => request(`http://127.0.0.1:${port}/orders/42`, { user });

  test('has started once it is ready', async () => {
    expect(await end(machine.run('ExecStartPost', broker.pid))).toEqual({ code: 0, stdout: '', stderr: '' });
    expect((await call('billing:wrong')).status).toBe(401);
  });

  test('serves an old application: Basic in, a token out, by the proxy of the company and under its authority', async () => {
    expect((await call('billing:secret')).status).toBe(200);
    expect(orders.requests.map(({ target, field }) => [target, field('authorization')])).toEqual([
      ['/v1/42', ['Bearer scripted-access-token']],
    ]);
    expect(keycloak.requests.map(({ target }) => target)[0]).toBe('/realms/main/.well-known/openid-configuration');
    const told = new Set(proxy.heads.map((head) => head.split(' ').slice(0, 2).join(' ')));
    expect(told).toEqual(new Set([`CONNECT 127.0.0.1:${keycloak.port}`, `CONNECT 127.0.0.1:${orders.port}`]));
  });

  test('takes a changed config over when it is reloaded', async () => {
    await writeFile(machine.config, config.replace('"path": "/orders"', '"path": "/other"'));
    expect(await end(machine.run('ExecReload', broker.pid))).toEqual({ code: 0, stdout: 'config reloaded\n', stderr: '' });
    expect((await call('billing:secret')).status).toBe(404);
  });

  test('says what is wrong with a config that cannot be used, and goes on', async () => {
    await writeFile(machine.config, config.replace('"path": "/orders"', '"path": "orders"'));
    const { code, stderr } = await end(machine.run('ExecReload', broker.pid));
    await writeFile(machine.config, config);
    expect([code, stderr]).toEqual([1, expect.stringContaining('"routes.orders.path" is not a path prefix')]);
    expect((await call('billing:secret')).status).toBe(404);
    expect((await end(machine.run('ExecReload', broker.pid))).code).toBe(0);
  });

  test('ends on SIGTERM with 0, and has kept its tokens', async () => {
    broker.kill('SIGTERM');
    expect((await ended).code).toBe(0);
    expect(existsSync(join(machine.folder, 'state/tokens'))).toBe(true);
  });

  test('has not started when its process is gone: nothing waits for it until a timeout', async () => {
    expect((await end(machine.run('ExecStartPost', broker.pid))).code).toBe(1);
  });
});

const ANALYZE = findOnPath('systemd-analyze');
if (ANALYZE === undefined) process.stderr.write('left out: systemd-analyze is not installed\n');
const describeWithSystemd = ANALYZE === undefined ? describe.skip : describe;

describeWithSystemd('systemd-analyze', () => {
  const verify = async (unit: string) => {
    // By the name it has on a machine. It looks whether the program is there.
    const file = join(machine.folder, 'token-broker.service');
    await writeFile(file, unit);
    const { code, stderr } = await end(spawn(ANALYZE ?? '', ['verify', '--man=no', file], { stdio: ['ignore', 'pipe', 'pipe'] }));
    // Units of the machine may have faults of their own.
    return { code, said: stderr.split('\n').filter((line) => line.includes('token-broker')) };
  };

  test('finds nothing to complain about in the unit', async () => {
    expect(await verify(machine.unit)).toEqual({ code: 0, said: [] });
    const { said } = await verify(machine.unit.replace('ProtectClock', 'ProtectClok'));
    expect(said).toEqual([expect.stringContaining('ProtectClok')]);
  });
});
