/**
 * The attack: whoever reads logs, metrics, probes, error answers or the last words of a crash collects secrets there. Libraries put
 * request bodies into errors, platforms quote header values in messages, servers echo what they were sent.
 */

import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals';
import { AuthorizationServerError } from '../../src/authorization-server/failure.ts';
import { BrokerError } from '../../src/errors.ts';
import { hashPassword } from '../../src/password-hash.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { type BrokerProcess, spawnBroker, startBrokerProcess } from '../helpers/broker-process.ts';
import { type Canaries, createCanaries } from '../helpers/canaries.ts';
import { sharedAuthority } from '../helpers/certificates.ts';
import { request } from '../helpers/http-client.ts';
import { sendRaw } from '../helpers/raw-client.ts';
import { freePort } from '../helpers/redis.ts';
import { answerWith, jsonAnswer, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedRequest, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

/** What the authorization server answers, by the path of its token endpoint: each echoes all it was sent, in its own way. */
const MISBEHAVIOURS: Record<string, (asked: ScriptedRequest, token: string) => string> = {
  good: (_asked, token) => tokenAnswer({ access_token: token, refresh_token: refreshToken }),
  refuses: (asked) => jsonAnswer(400, { error: 'invalid_client', error_description: echo(asked) }),
  challenges: (asked) => answerWith(401, [`WWW-Authenticate: Basic realm="${asked.field('authorization')[0]}"`], echo(asked)),
  fails: (asked) => answerWith(500, ['Content-Type: text/html'], `<pre>${echo(asked)}</pre>`),
  mumbles: (_asked, token) => answerWith(200, [], `{"access_token":"${token}"`),
  malformed: (_asked, token) => tokenAnswer({ access_token: `${token}\r\nX: y` }),
  mistyped: (_asked, token) => tokenAnswer({ access_token: token, token_type: 'mac' }),
  contradicts: (asked, token) =>
    tokenAnswer({
      access_token: token,
      refresh_token: refreshToken,
      error: 'x',
      error_description: `${token} ${refreshToken} ${echo(asked)}`,
    }),
  redirects: (asked, token) => answerWith(302, [`Location: https://elsewhere.example/?t=${token}&b=${encodeURIComponent(echo(asked))}`]),
};

function echo(asked: ScriptedRequest): string {
  const basic = asked.field('authorization')[0]?.split(' ')[1] ?? '';
  const decoded = Buffer.from(basic, 'base64').toString();
  const assertion = new URLSearchParams(asked.body.toString()).get('assertion') ?? '';
  return `${asked.field('x-api-key')[0]} you sent ${Buffer.from(assertion, 'base64url')} in ${asked.body} and ${basic} meaning ${decoded} or ${decodeURIComponent(decoded.replaceAll('+', ' '))}`;
}

/** The grants, each with the keys of its own. */
const GRANTS: Record<string, () => Record<string, unknown>> = {
  client_credentials: () => ({}),
  password: () => ({ resourceOwner: { username: 'owner', password: { unsafeInline: canaries.plant('owner-password') } } }),
  refresh_token: () => ({ refreshToken: { unsafeInline: canaries.plant('refresh-token') } }),
  token_exchange: () => ({
    subject: { unsafeInline: canaries.plant('subject-token') },
    actor: { token: { unsafeInline: canaries.plant('actor-token') } },
  }),
  jwt_bearer: () => ({
    subject: { unsafeInline: `e30.${canaries.plant('jwt', { plain: true })}.${canaries.plant('jws', { plain: true })}` },
  }),
  saml2_bearer: () => ({ subject: { unsafeInline: `<saml:Assertion>${canaries.plant('saml')}</saml:Assertion>` } }),
};

let canaries: Canaries;
let refreshToken: string;
let authorizationServer: ScriptedServer;
let origin: ScriptedServer;
let broker: BrokerProcess;
let callerPassword: string;
/** Everything that callers were shown. */
let shown = '';

beforeAll(async () => {
  canaries = createCanaries();
  const token = canaries.plant('token', { plain: true });
  refreshToken = canaries.plant('answered-refresh-token');
  authorizationServer = await startScriptedServer({
    answer: (asked) => (MISBEHAVIOURS[asked.target.slice(1)] as (typeof MISBEHAVIOURS)[string])(asked, token),
  });
  origin = await startScriptedServer({
    answer: (asked, connection) => (asked.target.includes('reset') ? void connection.reset() : answerWith(200, [], 'ok')),
  });
  callerPassword = canaries.plant('caller-password');
  const server = await (await sharedAuthority()).issueServer();
  canaries.watch('private-key', server.key);
  const redisPassword = canaries.plant('redis-password', { plain: true });
  const storeKey = randomBytes(32).toString('base64');
  canaries.watch('store-key', storeKey);
  const names = Object.keys(MISBEHAVIOURS).flatMap((behaviour) =>
    Object.keys(GRANTS).map((grant) => ({ behaviour, grant, name: `${behaviour}-${grant}` })),
  );
  broker = await startBrokerProcess({
    files: { 'server.key': server.key },
    env: {
      CALLER_HASH: await hashPassword(callerPassword),
      REDIS_URL: `redis://:${redisPassword}@127.0.0.1:${await freePort()}`,
      STORE_KEY: storeKey,
    },
    config: {
      log: { level: 'trace' },
      listeners: {
        local: { address: '127.0.0.1:0', authenticate: ['basic'] },
        mesh: { address: '127.0.0.1:0', authenticate: ['basic'], tls: { cert: server.cert, key: { fromFile: 'server.key' } } },
      },
      callers: { billing: { basic: { passwordHash: { fromEnv: 'CALLER_HASH' } } } },
      authorizationServers: Object.fromEntries(
        Object.keys(MISBEHAVIOURS).map((behaviour) => [behaviour, { tokenEndpoint: `${authorizationServer.url}/${behaviour}` }]),
      ),
      tokens: Object.fromEntries(
        names.map(({ behaviour, grant, name }) => [
          name,
          {
            authorizationServer: behaviour,
            grant,
            clientId: 'the-client',
            clientAuthentication: { secret: { unsafeInline: canaries.plant('client-secret') } },
            headers: { 'X-Api-Key': { unsafeInline: canaries.plant('token-header', { plain: true }) } },
            ...GRANTS[grant]?.(),
          },
        ]),
      ),
      routes: Object.fromEntries(
        names.map(({ name }) => [
          name,
          {
            path: `/${name}`,
            callers: ['billing'],
            token: name,
            upstream: origin.url,
            headers: { 'X-Key': { unsafeInline: canaries.plant('route-header', { plain: true }) } },
          },
        ]),
      ),
      store: { redis: { url: { fromEnv: 'REDIS_URL' } }, encryption: { keys: [{ id: 'k', key: { fromEnv: 'STORE_KEY' } }] } },
    },
  });
  for (const { name } of names) await show(`/${name}/path?access_token=${canaries.plant('query', { plain: true })}`);
}, 60_000);

afterAll(async () => {
  await broker?.close();
  await Promise.all([authorizationServer?.close(), origin?.close()]);
});

async function show(path: string, user = `billing:${callerPassword}`): Promise<number> {
  const answer = await request(broker.url() + path, { user });
  shown += `${answer.status} ${answer.fields.join('\n')}\n${answer.text()}\n`;
  return answer.status;
}

describe('secrets in what the broker says', () => {
  test('X01 X02 no failure of an authorization server puts a secret into the log or an answer', async () => {
    expect(await show('/good-client_credentials/x')).toBe(200);
    expect(await show('/good-password/reset')).toBe(502);
    expect(broker.log().filter((line) => line['msg'] === 'token not granted').length).toBeGreaterThanOrEqual(
      8 * Object.keys(GRANTS).length,
    );
    expect(canaries.find(broker.stdout() + broker.stderr())).toEqual([]);
    expect(canaries.find(shown)).toEqual([]);
  });

  test('X01 what the server said is in the log, without what it echoed', () => {
    const line = broker.log().find((each) => each['msg'] === 'token not granted' && each['token'] === 'refuses-client_credentials');
    expect(line?.['said']).toMatch(/^invalid_client: \[secret\] you sent .*\[secret\]/);
  });

  test('X02 refused callers and broken requests leave nothing either', async () => {
    await show('/good-client_credentials/x', `billing:${canaries.plant('wrong-password')}`);
    await show('/nowhere');
    const credentials = Buffer.from(`billing:${callerPassword}`).toString('base64');
    for (const lines of [
      ['Content-Length: x'],
      [`Authorization: Basic ${credentials}`, `Authorization: Basic ${credentials}`],
      ['bad line'],
      [`X-Long: ${'x'.repeat(40_000)}`],
    ]) {
      const head = ['POST /good-client_credentials/x HTTP/1.1', 'Host: localhost', `Authorization: Basic ${credentials}`, ...lines];
      shown += (await sendRaw(broker.address(), `${head.join('\r\n')}\r\n\r\n`)).text;
    }
    expect(shown).toMatch(/ 431 /);
    expect(canaries.find(broker.stdout() + broker.stderr() + shown)).toEqual([]);
  });

  test('X03 a target that is no path is not logged: it may hold a password or a token', async () => {
    const [password, token] = [canaries.plant('in-userinfo', { plain: true }), canaries.plant('in-fragment', { plain: true })];
    for (const target of [`http://user:${password}@localhost/x`, `/x#access_token=${token}`, `/x?t=${token}`]) {
      const { text } = await sendRaw(broker.address(), `GET ${target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
      expect(text).toMatch(/^HTTP\/1\.1 40\d /);
      shown += text;
    }
    expect(canaries.find(broker.stdout() + shown)).toEqual([]);
  });

  test('X04 metrics, probes, the status and its page name no secret, and nothing that a server said', async () => {
    for (const path of ['/metrics', '/readyz?verbose', '/livez', '/nothing', '/status', '/']) {
      const body = await (await fetch(broker.url('admin') + path)).text();
      expect(canaries.find(body)).toEqual([]);
      if (path === '/status') expect(body).toContain('"lastFailure":{"code":"TOKEN_REJECTED"');
      for (const said of ['invalid_client', 'you sent', 'billing']) expect(body).not.toContain(said);
      if (path === '/metrics') expect(body).toContain('token_broker_grants_total{token="refuses-password",outcome="permanent"} 1');
    }
  });

  test('X02 an error is logged by its codes and places, with no text of others in any of its causes', () => {
    const lines: string[] = [];
    const log = createLog('trace', { write: (line) => void lines.push(line) });
    const secret = canaries.plant('in-an-error');
    const foreign = Object.assign(new TypeError(`Invalid value "${secret}" for header "authorization"`), {
      body: secret,
      headers: { a: secret },
      code: 'ERR_X',
    });
    const nested = new BrokerError('INTERNAL', 'it failed', {
      stage: 'broker',
      cause: new AuthorizationServerError('transient', 'network', { cause: foreign }),
    });
    log.error({ err: foreign }, 'one');
    log.error({ err: nested }, 'two');
    expect(lines).toHaveLength(2);
    expect(lines[1]).toContain('ERR_X');
    expect(canaries.find(lines.join(''))).toEqual([]);
  });

  test('X01 a config that is wrong is explained without its secrets', async () => {
    const secret = canaries.plant('misplaced', { plain: true });
    const config = {
      listeners: { local: { address: secret, authenticate: [secret] } },
      tokens: { t: { grant: secret, clientAuthentication: { secret } } },
    };
    const failing = await spawnBroker({ config });
    expect((await failing.exited).code).toBe(2);
    expect(failing.stderr()).toMatch(/listeners\.local\.address/);
    expect(canaries.find(failing.stderr() + failing.stdout())).toEqual([]);
    await failing.close();
  });
});
