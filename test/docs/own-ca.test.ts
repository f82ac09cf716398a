/** What the chart's README says of an own CA: the variables by which Node trusts one count for the broker's connections. */

import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { run } from '../cli/run.ts';
import { createAuthority } from '../helpers/certificates.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

let folder: string;
let upstream: ScriptedServer;

beforeAll(async () => {
  const authority = await createAuthority('Acme Root');
  upstream = await startScriptedServer({ answer: () => answerWith(200, []), tls: await authority.issueServer() });
  folder = await mkdtemp(join(tmpdir(), 'token-broker-own-ca-'));
  await mkdir(join(folder, 'certs'));
  await writeFile(join(folder, 'certs/ca.crt'), authority.certificate);
  const config = {
    listeners: { local: { address: '127.0.0.1:8080', authenticate: ['anonymous'] } },
    routes: { files: { path: '/', callers: ['anonymous'], token: null, upstream: upstream.url } },
  };
  await writeFile(join(folder, 'sidecar.config.json'), JSON.stringify(config));
});

afterAll(() => Promise.all([upstream.close(), rm(folder, { recursive: true })]));

test.each([
  ['by none of them', {}, 1],
  ['by NODE_EXTRA_CA_CERTS', { NODE_EXTRA_CA_CERTS: 'certs/ca.crt' }, 0],
  ['by NODE_USE_SYSTEM_CA', { NODE_USE_SYSTEM_CA: '1', SSL_CERT_DIR: 'certs' }, 0],
])('an upstream is trusted %s', async (_name, given, code) => {
  const env = Object.fromEntries(Object.entries(given).map(([name, value]) => [name, value === '1' ? value : join(folder, value)]));
  const result = await run(['check', '-c', join(folder, 'sidecar.config.json'), '--online'], { env });
  expect(result.stdout + result.stderr).toMatch(
    code === 0 ? /^ok {5}upstream of route files: connected/m : /^FAILED upstream of route files/m,
  );
  expect(result.code).toBe(code);
});
