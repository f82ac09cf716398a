/** What the commands say of a config that asks for the Kerberos library, where that is not there. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { keytabOf } from '../helpers/keytab.ts';
import { run } from './run.ts';

const config = {
  listeners: { local: { address: '127.0.0.1:0', authenticate: ['negotiate'], negotiate: { keytab: 'http.keytab' } } },
  callers: { ann: { negotiate: { principal: 'ann@EXAMPLE' } } },
  routes: { orders: { path: '/orders', callers: ['ann'], token: null, upstream: 'https://orders.example' } },
  admin: { address: '127.0.0.1:0' },
};

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'token-broker-negotiate-'));
  file = join(folder, 'sidecar.config.json');
  await writeFile(file, JSON.stringify(config, null, 2));
  await writeFile(join(folder, 'http.keytab'), keytabOf('HTTP/broker@EXAMPLE'), { mode: 0o600 });
});
afterEach(() => rm(folder, { recursive: true }));

describe('without the Kerberos library', () => {
  test.each(['check', 'start', 'dev'])('"%s" says where it is asked for, and the way out', async (command) => {
    const { code, stderr } = await run([command, '-c', file]);
    expect([code, stderr]).toEqual([
      2,
      `${file}:6:9: "listeners.local.authenticate[0]" is "negotiate", which needs the npm package "kerberos", which is not there; install kerberos@7.0.0 beside token-broker: docs/callers.md, "The Kerberos library", says how\n`,
    ]);
  });

  test('"explain" says what would become of a request all the same', async () => {
    const { code, stdout } = await run(['explain', '-c', file, 'GET', '/orders', '--caller', 'ann']);
    expect(code).toBe(0);
    expect(stdout).toContain('caller    ann, by negotiate\n');
  });
});

test('where the library is there and cannot be loaded, "check" says that', async () => {
  await mkdir(join(folder, 'kerberos'));
  await writeFile(join(folder, 'kerberos', 'index.js'), 'require("../build/Debug/kerberos.node");');
  const { code, stderr } = await run(['check', '-c', file], { env: { NODE_PATH: folder } });
  expect(code).toBe(2);
  expect(stderr).toContain(
    'which is there and cannot be loaded; install libgssapi_krb5.so.2 of MIT Kerberos and, if it was never compiled, run',
  );
});
