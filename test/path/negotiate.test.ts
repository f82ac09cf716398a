/** Callers known by a ticket of Kerberos, through the real command, with a real KDC, curl and a client of the same library. */

import { execFile } from 'node:child_process';
import { readFile, rename, rm } from 'node:fs/promises';
import { Agent } from 'node:http';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from '@jest/globals';
import { ORDERS_TOKEN, secretHash } from '../helpers/broker.ts';
import { type BrokerProcess, startBrokerProcess } from '../helpers/broker-process.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import { ask, checkLines } from '../helpers/ext-authz.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import { Http2Caller } from '../helpers/http2-client.ts';
import { describeKerberos, REALM, type Realm, SERVICE, startRealm, type User } from '../helpers/kerberos.ts';
import { framed, NTLM_TOKEN, negotiate, OID } from '../helpers/negotiate-tokens.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const run = promisify(execFile);

describeKerberos()('a caller known by a ticket of Kerberos', () => {
  let realm: Realm;
  let ann: User;
  let keytab: string;
  let origin: ScriptedServer;
  let authorizationServer: ScriptedServer;
  let broker: BrokerProcess;

  beforeAll(async () => {
    realm = await startRealm();
    ann = await realm.logIn('ann', '-f');
    keytab = await realm.keytab('http.keytab', SERVICE);
    authorizationServer = await startScriptedServer({ answer: () => tokenAnswer() });
  }, 60_000);
  beforeEach(async () => {
    origin = await startScriptedServer({ answer: () => answerWith(200, ['Content-Type: text/plain'], 'ok') });
  });
  afterEach(async () => {
    await broker.close();
    await origin.close();
  });
  afterAll(async () => {
    await Promise.all([realm?.close(), authorizationServer?.close()]);
  });

  interface Options {
    readonly listener?: object;
    readonly route?: object;
    readonly callers?: object;
    readonly token?: object;
    readonly keytab?: string;
    readonly env?: Readonly<Record<string, string>>;
  }

  async function start(options: Options = {}): Promise<void> {
    const listener = { address: '127.0.0.1:0', authenticate: ['negotiate'], negotiate: { keytab: options.keytab ?? keytab } };
    broker = await startBrokerProcess({
      config: {
        listeners: { local: { ...listener, ...options.listener } },
        callers: { ann: { negotiate: { principal: `ann@${REALM}` } }, ...options.callers },
        authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
        tokens: { orders: { ...ORDERS_TOKEN, ...options.token } },
        routes: { api: { path: '/api', callers: ['ann'], token: 'orders', upstream: origin.url, ...options.route } },
        log: { level: 'debug' },
      },
      env: options.env ?? (await realm.environment()),
    });
  }

  const url = () => `http://localhost:${broker.address().split(':')[1]}/api/x`;
  const call = (authorization?: string, more: object = {}): Promise<Answer> =>
    request(url().replace('localhost', '127.0.0.1'), { fields: authorization === undefined ? {} : { authorization }, ...more });
  const callWith = async (user: User, options: object = {}) => call(`Negotiate ${await user.token(options)}`);
  const curl = async (...args: string[]) =>
    (await run('curl', ['-sS', '--negotiate', '-u', ':', ...args], { env: { ...process.env, ...ann.environment } })).stdout;
  const STATUS = ['-o', '/dev/null', '-w', '%{http_code} '];
  const challenges = ({ fields }: Answer) => fields.filter((_, at) => at % 2 === 1 && fields[at - 1]?.toLowerCase() === 'www-authenticate');
  const refusal = (reason: string) => broker.logged('ticket refused', (line) => line['reason'] === reason);

  test('reaches its route by curl, each request by itself; its ticket goes no further', async () => {
    await start();
    expect(await curl(...STATUS, url(), ...STATUS, url())).toBe('200 200 ');
    expect(origin.requests.map((asked) => asked.field('authorization'))).toEqual(Array(2).fill(['Bearer scripted-access-token']));
    const line = await broker.logged('request', (entry) => entry['status'] === 200);
    expect(line['caller']).toBe('ann');
    expect(broker.stdout()).not.toMatch(/Y[IH][A-Za-z0-9+/]{40}/);
  });

  test('a connection that has been used proves nothing', async () => {
    await start();
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    const statuses: number[] = [];
    for (const authorization of [`Negotiate ${await ann.token()}`, undefined, `Negotiate ${await ann.token()}`])
      statuses.push((await call(authorization, { agent })).status);
    agent.destroy();
    expect(statuses).toEqual([200, 401, 200]);
  });

  test.each([
    ['within SPNEGO', {}],
    ['bare', { bare: true }],
    ['with a ticket to act for it, which is not taken', { delegating: true }],
    ['without asking for a proof', { mutual: false }],
  ])('comes %s', async (_how, options) => {
    await start();
    expect((await callWith(ann, options)).status).toBe(200);
  });

  test('is shown a proof of the broker in each answer, in a refusal for another reason too', async () => {
    await start({ route: { methods: ['GET'] } });
    for (const method of ['GET', 'POST']) {
      const answer = await call(`Negotiate ${await ann.token()}`, { method });
      expect([answer.status, challenges(answer).length]).toEqual([method === 'GET' ? 200 : 405, 1]);
      const [, proof = ''] = /^Negotiate (\S+)$/.exec(challenges(answer)[0] ?? '') ?? [];
      expect(await ann.believes(proof)).toBe(true);
    }
  });

  test('is shown none beside a challenge of the upstream, where it would read as another leg', async () => {
    origin.answer = () => answerWith(401, ['WWW-Authenticate: Basic realm="upstream"']);
    await start({ route: { onUnauthorized: 'pass' } });
    const answer = await callWith(ann);
    expect([answer.status, challenges(answer)]).toEqual([401, ['Basic realm="upstream"']]);
  });

  test('B01 without a ticket is asked for one, beside what else would do, in the order of the config', async () => {
    await start({
      listener: { authenticate: ['negotiate', 'basic'] },
      callers: { billing: { basic: { passwordHash: await secretHash() } } },
      route: { callers: ['*'] },
    });
    const asked = ['Negotiate', 'Basic realm="token-broker", charset="UTF-8"'];
    const answers = [await call(), await call(`Basic ${btoa('billing:wrong')}`), await call('Negotiate nonsense')];
    for (const answer of answers) expect([answer.status, challenges(answer)]).toEqual([401, asked]);
    const bodies = answers.map((answer) => JSON.stringify({ ...(answer.json() as object), requestId: '' }));
    expect(new Set(bodies).size).toBe(1);
    expect((await call(`Basic ${btoa('billing:secret')}`)).status).toBe(200);
    expect((await callWith(ann)).status).toBe(200);
  });

  test('B10 may not use the route of another, and one whom nobody knows gets nowhere', async () => {
    await start({ callers: { eve: { negotiate: { principal: `eve@${REALM}` } } } });
    const [eve, mallory] = [await realm.logIn('eve'), await realm.logIn('mallory')];
    expect((await callWith(eve)).status).toBe(403);
    expect((await callWith(mallory)).status).toBe(401);
    expect(await refusal('unknown_principal')).toMatchObject({ principal: `mallory@${REALM}`, listener: 'local', level: 'info' });
    expect(origin.requests).toHaveLength(0);
  });

  test('is let in once by each token: who repeats one is refused, by another process too', async () => {
    const env = await realm.environment();
    await start({ env });
    const token = `Negotiate ${await ann.token()}`;
    expect((await call(token)).status).toBe(200);
    expect((await call(token)).status).toBe(401);
    expect(await refusal('replay')).toMatchObject({ level: 'info' });
    await broker.close();
    await start({ env });
    expect((await call(token)).status).toBe(401);
    await refusal('replay');
    expect(broker.stdout()).not.toContain(token.slice(100, 140));
  });

  test('that brings a bad one is not taken for "anonymous"', async () => {
    await start({ listener: { authenticate: ['anonymous', 'negotiate'] }, route: { callers: ['anonymous', 'ann'] } });
    expect([(await call()).status, (await callWith(ann)).status, (await call('Negotiate nonsense')).status]).toEqual([200, 200, 401]);
    expect(origin.requests).toHaveLength(2);
  });

  test('what came beside a certificate goes no further', async () => {
    const authority = await sharedAuthority();
    const server = await authority.issueServer();
    const tls = { cert: server.cert, key: { unsafeInline: server.key }, clientCa: authority.certificate };
    await start({
      listener: { authenticate: ['mtls', 'negotiate'], tls },
      callers: { reports: { mtls: { dns: 'reports.example' } } },
      route: { callers: ['reports'], token: null },
    });
    const identity = { ...(await authority.issueClient({ dns: ['reports.example'] })), ca: authority.certificate };
    const answer = await request(`https://${broker.address()}/api/x`, { fields: { authorization: 'Negotiate YII' }, tls: identity });
    expect(answer.status).toBe(200);
    expect(origin.requests[0]?.field('authorization')).toEqual([]);
  });

  test('that sends NTLM is refused, and the log says so', async () => {
    await start();
    const answer = await call(negotiate(NTLM_TOKEN));
    expect([answer.status, challenges(answer)]).toEqual([401, ['Negotiate']]);
    await refusal('ntlm');
  });

  test.each(['http/1.1', 'h2c'])('may have a ticket of 48 KB where the head of a request may be so long, over %s', async (protocol) => {
    const long = negotiate(framed(OID.kerberos, Buffer.alloc(48_000)));
    const status = async () => {
      if (protocol === 'http/1.1') return (await call(long)).status;
      const caller = new Http2Caller(broker.url());
      const answer = await caller.ask({ fields: ['authorization', long] });
      caller.close();
      return answer.status;
    };
    await start({ listener: { protocols: [protocol] } });
    expect(await status()).toBe(431);
    await broker.close();
    await start({ listener: { protocols: [protocol], limits: { maxHeader: '96KiB' } } });
    expect(await status()).toBe(401);
    await refusal('not_accepted');
  });

  test('is refused with a ticket for another service of the keytab, unless that is named', async () => {
    const host = `host/localhost@${REALM}`;
    await realm.addService(host);
    const both = await realm.keytab('both.keytab', SERVICE, host);
    await start({ keytab: both });
    expect((await callWith(ann, { service: 'host@localhost' })).status).toBe(401);
    await refusal('other_service');
    await broker.close();
    await start({ listener: { negotiate: { keytab: both, principal: host } } });
    expect((await callWith(ann, { service: 'host@localhost' })).status).toBe(200);
    expect((await callWith(ann)).status).toBe(401);
  });

  test('is known by a new key as soon as the keytab has it', async () => {
    const service = `HTTP/changing@${REALM}`;
    const options = { service: 'HTTP@changing' };
    await realm.addService(service);
    const inUse = await realm.keytab('in-use.keytab', service);
    await start({ keytab: inUse, callers: { late: { negotiate: { principal: `late@${REALM}` } } }, route: { callers: ['*'] } });
    expect((await callWith(ann, options)).status).toBe(200);
    await realm.changeKey(service);
    const late = await realm.logIn('late');
    expect((await callWith(late, options)).status).toBe(401);
    expect(await refusal('no_key')).toMatchObject({ level: 'warn' });
    await rename(await realm.keytab('new.keytab', service), inUse);
    expect((await callWith(late, options)).status).toBe(200);
  });

  test('is known by the keytab of a changed config', async () => {
    const service = `HTTP/moved@${REALM}`;
    await realm.addService(service);
    const moved = await realm.keytab('moved.keytab', service);
    await start();
    const options = { service: 'HTTP@moved' };
    expect((await callWith(ann, options)).status).toBe(401);
    const config = await readFile(join(broker.directory, 'sidecar.config.json'), 'utf8');
    await broker.replace('sidecar.config.json', config.replace(keytab, moved));
    await broker.logged('config reloaded');
    expect([(await callWith(ann, options)).status, (await callWith(ann)).status]).toEqual([200, 401]);
  });

  test('is neither refused nor let in while the keytab, or the memory of tokens, cannot be used', async () => {
    const going = await realm.keytab('going.keytab', SERVICE);
    await start({ keytab: going });
    await rm(going);
    const unverified = async () => {
      const answer = await callWith(ann);
      return [answer.status, (answer.json() as { code: string }).code, answer.field('retry-after'), challenges(answer)];
    };
    expect(await unverified()).toEqual([503, 'CALLER_UNVERIFIABLE', '2', []]);
    expect(await refusal('keytab_unusable')).toMatchObject({ level: 'warn' });
    await broker.close();
    await start({ env: { ...(await realm.environment()), KRB5RCACHENAME: 'file2:/nowhere/at/all' } });
    expect(await unverified()).toEqual([503, 'CALLER_UNVERIFIABLE', '2', []]);
    await refusal('replay_cache_unusable');
  });

  test('whose clock is another is refused, and the log says so', async () => {
    const token = await ann.token();
    const madeAt = Date.now();
    await start({ env: await realm.environment('clockskew = 1') });
    while (Date.now() - madeAt < 2_500) await new Promise((resolve) => setTimeout(resolve, 50));
    expect((await call(`Negotiate ${token}`)).status).toBe(401);
    expect(await refusal('clock_skew')).toMatchObject({ level: 'warn' });
    expect((await callWith(ann)).status).toBe(200);
  });

  test('reaches its route over HTTP/2, where the next stream proves itself too', async () => {
    await start({ listener: { protocols: ['h2c'] } });
    expect(await curl(...STATUS, '--http2-prior-knowledge', url())).toBe('200 ');
    const caller = new Http2Caller(broker.url());
    const statuses: number[] = [];
    for (const fields of [['authorization', `Negotiate ${await ann.token()}`], [], ['authorization', `Negotiate ${await ann.token()}`]])
      statuses.push((await caller.ask({ fields })).status);
    caller.close();
    expect(statuses).toEqual([200, 401, 200]);
  });

  test('is asked for its ticket by 407 where the broker is its proxy', async () => {
    await start({ route: { host: 'api.acme.example', path: '/v1', token: null } });
    const proxy = ['--proxy', `http://localhost:${broker.address().split(':')[1]}`, '--proxy-negotiate', '--proxy-user', ':'];
    const unknown = await sendRaw(broker.address(), 'GET http://api.acme.example/v1/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
    expect(unknown.text).toMatch(/^HTTP\/1\.1 407 [\s\S]*\r\nProxy-Authenticate: Negotiate\r\n/i);
    const { stdout } = await run(
      'curl',
      ['-sS', '-D', '-', ...proxy, '-H', 'Authorization: Bearer of-the-application', 'http://api.acme.example/v1/x'],
      {
        env: { ...process.env, ...ann.environment, http_proxy: '', no_proxy: '' },
      },
    );
    expect(stdout).toMatch(/^HTTP\/1\.1 200 [\s\S]*\r\nProxy-Authenticate: Negotiate \S+\r\n/i);
    expect(origin.requests[0]?.field('authorization')).toEqual(['Bearer of-the-application']);
    expect(origin.requests[0]?.field('proxy-authorization')).toEqual([]);
  });

  test('is known to a proxy that asks, for one request', async () => {
    await start({ listener: { serve: 'ext-authz', dialect: 'nginx' } });
    const lines = [...checkLines('nginx', {}), `Authorization: Negotiate ${await ann.token()}`];
    const verdict = await ask(broker.address(), lines);
    expect([verdict.status, verdict.field('authorization')]).toEqual([200, 'Bearer scripted-access-token']);
    expect([verdict.field('cache-control'), verdict.field('x-accel-expires')]).toEqual(['no-store', '0']);
    expect(verdict.field('www-authenticate')).toMatch(/^Negotiate \S+$/);
    expect((await ask(broker.address(), lines)).status).toBe(401);
  });

  test('is handed a token where the listener serves those', async () => {
    await start({ listener: { serve: 'token-endpoint' }, token: { callers: ['ann'] } });
    const answer = await request(`${broker.url()}/tokens/orders`, { fields: { authorization: `Negotiate ${await ann.token()}` } });
    expect(answer.json()).toMatchObject({ access_token: 'scripted-access-token' });
    expect(challenges(answer)).toEqual([expect.stringMatching(/^Negotiate \S+$/)]);
  });

  test('its ticket goes no further either where the route has no token', async () => {
    await start({ route: { token: null } });
    expect((await callWith(ann)).status).toBe(200);
    expect(origin.requests[0]?.field('authorization')).toEqual([]);
  });

  test('comes with three hundred others at once', async () => {
    await start();
    const tokens: string[] = [];
    for (let i = 0; i < 300; i += 1) tokens.push(await ann.token());
    const answers = await Promise.all(tokens.map((token) => call(`Negotiate ${token}`)));
    expect(answers.map(({ status }) => status)).toEqual(Array(300).fill(200));
  });
});
