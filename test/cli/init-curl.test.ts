/** The call that `init` says to make, made as it stands: by curl, with whatever way to authenticate, with TLS and without. */

import { execFile } from 'node:child_process';
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { useDirectory } from '../config/fixture.ts';
import { spawnBroker } from '../helpers/broker-process.ts';
import { type Authority, createAuthority } from '../helpers/certificates.ts';
import { freePort } from '../helpers/redis.ts';
import { answerWith, metadataAnswer, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';
import { run } from './run.ts';

const execute = promisify(execFile);
const directory = useDirectory();
let authority: Authority;
let origin: ScriptedServer;
let server: ScriptedServer;
beforeAll(async () => {
  authority = await createAuthority();
  origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
  server = await startScriptedServer({ answer: ({ target }) => (target === '/token' ? tokenAnswer() : metadataAnswer(server.url)) });
});
afterAll(() => Promise.all([origin.close(), server.close()]));

/** Those that `init` cannot make: certificates of the broker and of the application, under the names that it prints. */
async function place(folder: string): Promise<void> {
  const [own, app] = [await authority.issueServer(), await authority.issueClient({ dns: ['app.example.com'] })];
  await mkdir(join(folder, 'tls'), { recursive: true });
  const files = { 'tls/server.crt': own.cert, 'tls/server.key': own.key, 'tls/clients-ca.crt': authority.certificate };
  for (const [name, text] of Object.entries({ ...files, 'APP.crt': app.cert, 'APP.key': app.key }))
    await writeFile(join(folder, name), text);
}

const JWT = ['--authenticate', 'jwt', '--caller-issuer', 'https://idp.acme.example', '--caller-subject', 'app'];
const MTLS = ['--authenticate', 'mtls', '--caller-certificate', 'dns:app.example.com'];

test.each([
  ['Basic', [], '127.0.0.1:PORT', 'ok'],
  ['Basic, on a Unix socket', [], 'unix:SOCKET', 'ok'],
  ['Basic with TLS, for others', [], '0.0.0.0:PORT', 'ok'],
  ['Basic with TLS, for others, by IPv6 too', [], '[::]:PORT', 'ok'],
  ['nobody', ['--authenticate', 'anonymous'], '[::1]:PORT', 'ok'],
  ['a certificate', MTLS, '127.0.0.1:PORT', 'ok'],
  ['a certificate, for others', MTLS, '0.0.0.0:PORT', 'ok'],
  ['a certificate, on a Unix socket', MTLS, 'unix:SOCKET', 'ok'],
  // Nobody has signed this one.
  ['a JWT', JWT, '127.0.0.1:PORT', 'CALLER_UNAUTHENTICATED'],
  ['a JWT with TLS, for others', JWT, '0.0.0.0:PORT', 'CALLER_UNAUTHENTICATED'],
])('the curl line that init prints gets through as it stands: %s', async (_what, way, at, answer) => {
  const file = directory.path('sidecar.config.json');
  const folder = directory.path('.');
  await rm(file, { force: true });
  await place(folder);
  const listen = at.replace('PORT', String(await freePort())).replace('SOCKET', directory.path('call.sock'));
  const api = ['--upstream', origin.url, '--issuer', server.url, '--client-id', 'me', '--listen', listen];
  const { stdout, stderr } = await run(['init', '-c', file, ...api, ...way]);
  expect(stderr).toBe('');

  const text = (await readFile(file, 'utf8')).replace('127.0.0.1:9099', '127.0.0.1:0').replaceAll('"tls/', `"${folder}/tls/`);
  const broker = await spawnBroker({ config: text, env: { API_CLIENT_SECRET: 'given by the server' } });
  try {
    await broker.logged('ready');
    const password = /holds its hash\):\n {2}(\S+)\n/.exec(stdout)?.[1];
    const [typed = ''] = /curl .*/.exec(stdout) ?? [];
    // As if it were typed when curl asks for it.
    const line = typed.replace('--user app', `--user app:${password}`).replace('curl', "curl --silent --show-error --noproxy '*'");
    const called = await execute('sh', ['-c', line], { cwd: folder, env: { ...process.env, TOKEN: 'a.b.c' } });
    expect(called.stdout).toContain(answer);
  } finally {
    await broker.close();
  }
});
