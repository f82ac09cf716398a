/** What `init` says to type where callers have tickets of Kerberos, typed: with a real KDC and curl. */

import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { useDirectory } from '../config/fixture.ts';
import { spawnBroker } from '../helpers/broker-process.ts';
import { describeKerberos, REALM, type Realm, startRealm } from '../helpers/kerberos.ts';
import { freePort } from '../helpers/redis.ts';
import { answerWith, metadataAnswer, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';
import { run } from './run.ts';

const execute = promisify(execFile);
const directory = useDirectory();

describeKerberos()('token-broker init for callers with tickets', () => {
  let realm: Realm;
  beforeAll(async () => {
    realm = await startRealm();
  }, 60_000);
  afterAll(() => realm?.close());

  test('tells a curl line that gets through with a ticket for the name of this host', async () => {
    const service = `HTTP/${(await execute('hostname', ['-f'])).stdout.trim()}@${REALM}`;
    await realm.addService(service);
    const ann = await realm.logIn('ann');
    const origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
    const server: ScriptedServer = await startScriptedServer({
      answer: ({ target }) => (target === '/token' ? tokenAnswer() : metadataAnswer(server.url)),
    });
    const file = directory.path('sidecar.config.json');
    const api = ['--upstream', origin.url, '--issuer', server.url, '--client-id', 'me', '--listen', `127.0.0.1:${await freePort()}`];
    const caller = ['--authenticate', 'negotiate', '--caller-principal', `ann@${REALM}`];
    const { stdout } = await run(['init', '-c', file, ...api, ...caller, '--keytab', await realm.keytab('http.keytab', service)]);

    const config = (await readFile(file, 'utf8')).replace('127.0.0.1:9099', '127.0.0.1:0');
    const broker = await spawnBroker({ config, env: { ...(await realm.environment()), API_CLIENT_SECRET: 'given by the server' } });
    await broker.logged('ready');
    const [typed = ''] = /curl .*/.exec(stdout) ?? [];
    const answered = await execute('sh', ['-c', `${typed} --silent --noproxy '*'`], { env: { ...process.env, ...ann.environment } });
    expect(answered.stdout).toBe('ok');
    expect(origin.requests[0]?.field('authorization')).toEqual(['Bearer scripted-access-token']);
    await Promise.all([broker.close(), origin.close(), server.close()]);
  });
});
