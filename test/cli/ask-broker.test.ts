/** Which running broker `status`, `renew`, `purge`, `reload` and `quit` talk to: the one whose config is named, or the one at `--admin`. */

import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from '@jest/globals';
import { startBroker } from '../helpers/broker.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { freePort } from '../helpers/redis.ts';
import { type Run, run } from './run.ts';

const closed = closedAfterEach();

/** A folder with these files. */
async function folderWith(files: Readonly<Record<string, unknown>>): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'token-broker-ask-'));
  closed({ close: () => rm(folder, { recursive: true }) });
  for (const [name, content] of Object.entries(files))
    await writeFile(join(folder, name), typeof content === 'string' ? content : JSON.stringify(content));
  return folder;
}

const statusIn = async (files: Readonly<Record<string, unknown>>, ...args: string[]): Promise<Run> =>
  run(['status', ...args], { cwd: await folderWith(files) });

const admin = (address: string) => ({ admin: { address } });

describe('the broker that a command talks to', () => {
  test('is that of sidecar.config.json, or of the file named by -c, whatever else is wrong there and whatever secrets are missing', async () => {
    const { broker } = closed(await startBroker({}));
    const address = String(broker.addresses.get('admin'));
    const config = { ...admin(address), tokens: { a: { nonsense: { fromEnv: 'NOT_THERE' } } }, store: 7 };
    for (const { code, stdout } of [
      await statusIn({ 'sidecar.config.json': config }),
      await statusIn({ 'a.json': config }, '-c', 'a.json'),
    ]) {
      expect(code).toBe(0);
      expect(stdout).toContain(', ready, ');
    }
  });

  test('is found through the files that the config extends', async () => {
    const { broker } = closed(await startBroker({}));
    const base = admin(String(broker.addresses.get('admin')));
    expect((await statusIn({ 'base.json': base, 'own.json': { extends: 'base.json' } }, '-c', 'own.json')).code).toBe(0);
  });

  test('is found on its Unix socket', async () => {
    const path = join(await folderWith({}), 'admin.sock');
    closed(await startBroker(admin(`unix:${path}`)));
    expect((await statusIn({ 'sidecar.config.json': admin(`unix:${path}`) })).code).toBe(0);
  });

  test('is the one at --admin wherever that is given: no config is read', async () => {
    const { broker } = closed(await startBroker({}));
    const at = `http://${String(broker.addresses.get('admin'))}`;
    expect((await statusIn({ 'sidecar.config.json': '{' }, '-c', 'nowhere.json', '--admin', at)).code).toBe(0);
  });
});

describe('where there is none', () => {
  test('the config that says the address is named, with 1', async () => {
    const port = await freePort();
    expect(await statusIn({ 'a.json': admin(`127.0.0.1:${port}`) }, '-c', 'a.json')).toEqual({
      code: 1,
      stdout: '',
      stderr: `no broker answers at http://127.0.0.1:${port} (ECONNREFUSED); a broker with "a.json" is asked there: start it, or name another with -c FILE or --admin URL, or the address of before where "admin.address" has changed and is not taken over yet\n`,
    });
    expect((await statusIn({ 'a.json': admin('unix:/nowhere/at/all.sock') }, '-c', 'a.json')).stderr).toContain(
      'no broker answers at unix:/nowhere/at/all.sock (ENOENT)',
    );
  });

  test('port 0 is no address to ask at: 2', async () => {
    const { code, stderr } = await statusIn({ 'sidecar.config.json': admin('127.0.0.1:0') });
    expect(code).toBe(2);
    expect(stderr).toMatch(/^"admin\.address" of "sidecar\.config\.json" takes any free port; .*--admin URL\n$/);
  });

  test('whoever answers there without an end is left after 16 MiB: 1', async () => {
    let sent = 0;
    const endless = createServer((_asked, answer) => {
      answer.writeHead(200, { 'Content-Type': 'application/json' });
      const page = Buffer.alloc(1024 ** 2, ' ');
      const more = () => {
        sent += page.length;
        answer.write(page, (error) => (error ? undefined : more()));
      };
      more();
    });
    await once(endless.listen(0, '127.0.0.1'), 'listening');
    closed({ close: async () => void endless.close().closeAllConnections() });
    const at = `http://127.0.0.1:${(endless.address() as AddressInfo).port}`;
    const { code, stdout, stderr } = await statusIn({}, '--admin', at);
    expect([code, stdout]).toEqual([1, '']);
    expect(stderr).toBe(`no broker answers at ${at} (what answers there says more than 16 MiB); --admin names its "admin.address"\n`);
    expect(sent).toBeLessThan(64 * 1024 ** 2);
  });

  test.each([
    ['is not there', ['-c', 'nowhere.json'], 'nowhere.json:1:1: does not exist; name the config with -c FILE\n'],
    ['is no JSON', ['-c', 'broken.json'], 'broken.json:1:2: '],
    ['has another admin section', ['-c', 'wrong.json'], 'wrong.json:1:22: "admin.address" must be a string such as "127.0.0.1:8080"'],
  ])('a config that %s is told, and that the address can be named: 2', async (_what, args, says) => {
    const { code, stdout, stderr } = await statusIn({ 'broken.json': '{', 'wrong.json': '{"admin":{"address": 7}}' }, ...args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(says);
    expect(stderr).toMatch(/--admin URL names it without a config\n$/);
  });
});
