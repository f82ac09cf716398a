/**
 * The attack: authorization servers lock an account after some wrong passwords. Somebody who can call the broker sends guesses, or only
 * wrong passwords, under the user name of somebody else, until that account is locked or found. Spelling the name in other ways,
 * many requests at once and several routes are meant to get around what counts them.
 */

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import { answerWith, metadataAnswer, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedRequest, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

let authorizationServer: ScriptedServer;
let origin: ScriptedServer;
let broker: TestBroker;
let folder: string;

const SECRETS = ['now', 'before', 'long-ago'].map((unsafeInline) => ({ unsafeInline }));

const PROPER: Script = ({ body }) => (body.includes('password=right') ? tokenAnswer() : oauthError('invalid_grant'));

const token = (authorizationServerName: string) => ({
  authorizationServer: authorizationServerName,
  grant: 'password',
  clientId: 'ledger-sidecar',
  clientAuthentication: { secret: { unsafeInline: 'ledger-secret' } },
  resourceOwner: 'caller',
});

beforeEach(async () => {
  authorizationServer = await startScriptedServer({ answer: PROPER });
  origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
  const tokenEndpoint = `${authorizationServer.url}/token`;
  const route = (name: string) => ({ path: `/${name}`, callers: ['basic-passthrough'], token: name, upstream: origin.url });
  folder = await mkdtemp(join(tmpdir(), 'token-broker-lockout-'));
  broker = await startBroker({
    listeners: {
      local: { address: '127.0.0.1:0', authenticate: ['basic-passthrough'] },
      elsewhere: { address: `unix:${join(folder, 'sock')}`, authenticate: ['basic-passthrough'] },
    },
    authorizationServers: {
      one: { tokenEndpoint },
      other: { tokenEndpoint: `${tokenEndpoint}?tenant=same` },
      issuer: { issuer: authorizationServer.url },
    },
    tokens: {
      a: token('one'),
      b: token('one'),
      c: token('other'),
      discovered: token('issuer'),
      rotating: { ...token('one'), clientAuthentication: { secret: SECRETS } },
    },
    routes: { a: route('a'), b: route('b'), c: route('c'), discovered: route('discovered'), rotating: route('rotating') },
  });
});
afterEach(async () => {
  await Promise.all([broker.close(), origin.close(), authorizationServer.close()]);
  await rm(folder, { recursive: true });
});

const call = (user: string, route = 'a'): Promise<Answer> => request(`${broker.url()}/${route}/x`, { user });
/** On a Unix socket nobody has an address. */
const callFromElsewhere = async (user: string) =>
  (await request('http://localhost/a/x', { user, socketPath: join(folder, 'sock') })).status;
const sent = () =>
  authorizationServer.requests
    .filter(({ method }) => method === 'POST')
    .map(({ body }) => new URLSearchParams(body.toString()).get('password'));

test('three wrong passwords of an account, however it is spelled and whichever route is taken, are all that go out', async () => {
  const names = ['alice', 'ALICE', ' alice', 'Alice ', '\uff41lice'];
  const guesses = Array.from({ length: 60 }, (_, index) => call(`${names[index % 5]}:guess-${index}`, 'abc'.charAt(index % 3)));
  expect(new Set((await Promise.all(guesses)).map(({ status }) => status))).toEqual(new Set([401]));
  expect(sent()).toHaveLength(3);
  expect(new Set(sent()).size).toBe(3);
  expect((await call('alice:right')).status).toBe(401);
  expect((await call('bob:right')).status).toBe(200);
});

test.each([
  ['a soft hyphen', 'al\u00adice'],
  ['a character of no width', 'ali\u200bce'],
  ['an accent, which many databases ignore', 'alic\u00e9'],
  ['an accent of its own', 'alice\u0301'],
  ['a letter without its dot', 'al\u0131ce'],
  ['a letter with a stroke', 'a\u0142ice'],
  ['a letter without ink', 'al\u3164ice'],
  ['a small letter above another', 'alice\u0363'],
  ['a mark that is meant for symbols', 'alice\u20d0'],
  ['an accent of another script', 'alice\u0591'],
  ['a control character, where a lenient server ends the name', 'alice\u0000'],
])('a name with %s is no way around that', async (_what, name) => {
  for (let i = 0; i < 3; i += 1) await call(`alice:guess-${i}`);
  expect((await call(`${name}:guess`)).status).toBe(401);
  expect(sent()).toHaveLength(3);
});

test('an empty password is not sent: a directory behind the server would take it for nobody, and let that in', async () => {
  authorizationServer.answer = () => tokenAnswer();
  const refused = await call('alice:');
  expect([refused.status, refused.field('www-authenticate')]).toEqual([401, expect.stringContaining('Basic')]);
  expect(sent()).toEqual([]);
});

test('a digit of another script is no way around that', async () => {
  for (let i = 0; i < 3; i += 1) await call(`clerk7:guess-${i}`);
  expect((await call('clerk\u0667:guess')).status).toBe(401);
  expect(sent()).toHaveLength(3);
  expect((await call('clerk\u0668:right')).status).toBe(200);
});

test('more spaces within a name are no way around that', async () => {
  for (let i = 0; i < 3; i += 1) await call(`alice  smith:guess-${i}`);
  expect((await call('alice smith:guess')).status).toBe(401);
  expect(sent()).toHaveLength(3);
});

test.each([
  ['access_denied', oauthError('access_denied')],
  ['401 without a code', answerWith(401, [], 'wrong password')],
  ['403 without a code', answerWith(403, [], 'wrong password')],
  ['400 without a code', answerWith(400, [], 'wrong password')],
])('a server that says %s to a wrong password is not sent more of them', async (_what, refusal) => {
  authorizationServer.answer = () => refusal;
  for (let i = 0; i < 10; i += 1) await call(`alice:guess-${i}`, 'abc'.charAt(i % 3));
  expect(sent()).toHaveLength(3);
});

test.each([500, 503, 429])(
  'a server that answers a wrong password with %d is not sent more of them, though it takes others',
  async (status) => {
    const trouble = answerWith(status, ['Retry-After: 1'], 'wrong password');
    authorizationServer.answer = ({ body }) => (body.includes('password=right') ? tokenAnswer() : trouble);
    const statuses: number[] = [];
    for (let i = 0; i < 10; i += 1) {
      statuses.push((await call(`alice:guess-${i}`, 'abc'.charAt(i % 3))).status);
      expect((await call(`user-${i}:right`)).status).toBe(200);
    }
    expect(statuses).toEqual([503, 503, 503, 401, 401, 401, 401, 401, 401, 401]);
    expect(sent().filter((password) => password !== 'right')).toEqual(['guess-0', 'guess-1', 'guess-2']);
  },
);

test.each([
  ['first by its issuer', ['discovered', 'a', 'c']],
  ['first by its endpoint', ['a', 'discovered', 'c']],
])('one server by two names of the config is one: %s', async (_what, [first = '', ...others]) => {
  authorizationServer.answer = (asked, connection) =>
    asked.method === 'GET' ? metadataAnswer(authorizationServer.url) : PROPER(asked, connection);
  await call('alice:guess', first);
  const guesses = Array.from({ length: 20 }, (_, index) => others.map((route) => call(`alice:guess-${index}`, route)));
  expect(new Set((await Promise.all(guesses.flat())).map(({ status }) => status))).toEqual(new Set([401]));
  expect(sent()).toHaveLength(3);
});

const secretIn = ({ field }: ScriptedRequest) =>
  Buffer.from(field('authorization')[0]?.slice(6) ?? '', 'base64')
    .toString()
    .split(':')[1];

describe('a server that says 401 to everything, before any secret of a list was known to work', () => {
  beforeEach(() => {
    authorizationServer.answer = (asked) =>
      secretIn(asked) === 'before' && asked.body.includes('password=right') ? tokenAnswer() : answerWith(401, [], 'no');
  });

  test('T05 the first caller gets a token, though a secret that is good no more is listed first', async () => {
    expect((await call('bob:right', 'rotating')).status).toBe(200);
    expect((await call('carol:right', 'rotating')).status).toBe(200);
    expect(authorizationServer.requests.map(secretIn)).toEqual(['now', 'before', 'before']);
  });

  test('T05 a guess may go out with each secret, but no more of them altogether than without a list', async () => {
    for (let i = 0; i < 10; i += 1) expect([401, 502]).toContain((await call(`alice:guess-${i}`, 'rotating')).status);
    expect(sent()).toEqual(['guess-0', 'guess-0', 'guess-0']);
    expect((await call('alice:right', 'a')).status).toBe(401);
    expect((await call('bob:right', 'rotating')).status).toBe(200);
  });

  test('T05 what counted of the right password counts no more', async () => {
    expect((await call('alice:right', 'rotating')).status).toBe(200);
    for (let i = 0; i < 10; i += 1) await call(`alice:guess-${i}`, 'rotating');
    expect(sent()).toEqual(['right', 'right', 'guess-0', 'guess-1', 'guess-2']);
  });
});

test('a list of client secrets multiplies no guess, and no guess has another secret tried than the one that works', async () => {
  authorizationServer.answer = (asked) =>
    secretIn(asked) === 'now' && asked.body.includes('password=right') ? tokenAnswer() : answerWith(401, [], 'no');
  expect((await call('bob:right', 'rotating')).status).toBe(200);
  for (let i = 0; i < 10; i += 1) await call(`alice:guess-${i}`, 'rotating');
  expect((await call('carol:right', 'rotating')).status).toBe(200);
  expect(sent()).toEqual(['right', 'guess-0', 'guess-1', 'guess-2', 'right']);
  expect(new Set(authorizationServer.requests.map(secretIn))).toEqual(new Set(['now']));
});

test('the owner of the account goes on with the token at hand', async () => {
  expect((await call('alice:right')).status).toBe(200);
  await Promise.all(Array.from({ length: 20 }, (_, index) => call(`alice:guess-${index}`)));
  expect((await call('alice:right')).status).toBe(200);
  expect(sent()).toHaveLength(1 + 3);
});

test('a token at hand does not tell who guesses from elsewhere which guess is right, once the others are held back', async () => {
  expect((await call('alice:right')).status).toBe(200);
  for (let i = 0; i < 3; i += 1) expect(await callFromElsewhere(`alice:guess-${i}`)).toBe(401);
  expect(await callFromElsewhere('alice:right')).toBe(401);
  expect((await call('alice:right')).status).toBe(200);
  expect(await callFromElsewhere('bob:right')).toBe(200);
  expect(sent()).toEqual(['right', 'guess-0', 'guess-1', 'guess-2', 'right']);
});

test('an application that repeats one wrong password costs one try', async () => {
  for (let i = 0; i < 5; i += 1) expect((await call('alice:old')).status).toBe(401);
  expect(sent()).toEqual(['old']);
});
