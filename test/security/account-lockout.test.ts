/**
 * The attack: authorization servers lock an account after some wrong passwords. Somebody who can call the broker sends guesses, or only
 * wrong passwords, under the user name of somebody else, until that account is locked or found. Spelling the name in other ways,
 * many requests at once and several routes are meant to get around what counts them.
 */

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import { answerWith, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

let authorizationServer: ScriptedServer;
let origin: ScriptedServer;
let broker: TestBroker;

const token = (authorizationServerName: string) => ({
  authorizationServer: authorizationServerName,
  grant: 'password',
  clientId: 'ledger-sidecar',
  clientAuthentication: { secret: { unsafeInline: 'ledger-secret' } },
  resourceOwner: 'caller',
});

beforeEach(async () => {
  authorizationServer = await startScriptedServer({
    answer: ({ body }) => (body.includes('password=right') ? tokenAnswer() : oauthError('invalid_grant')),
  });
  origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
  const tokenEndpoint = `${authorizationServer.url}/token`;
  const route = (name: string) => ({ path: `/${name}`, callers: ['basic-passthrough'], token: name, upstream: origin.url });
  broker = await startBroker({
    listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic-passthrough'] } },
    authorizationServers: { one: { tokenEndpoint }, other: { tokenEndpoint } },
    tokens: { a: token('one'), b: token('one'), c: token('other') },
    routes: { a: route('a'), b: route('b'), c: route('c') },
  });
});
afterEach(() => Promise.all([broker.close(), origin.close(), authorizationServer.close()]));

const call = (user: string, route = 'a'): Promise<Answer> => request(`${broker.url()}/${route}/x`, { user });
const sent = () => authorizationServer.requests.map(({ body }) => new URLSearchParams(body.toString()).get('password'));

test('three wrong passwords of an account, however it is spelled and whichever route is taken, are all that go out', async () => {
  const names = ['alice', 'ALICE', ' alice', 'Alice ', '\uff41lice'];
  const guesses = Array.from({ length: 60 }, (_, index) => call(`${names[index % 5]}:guess-${index}`, 'abc'.charAt(index % 3)));
  expect(new Set((await Promise.all(guesses)).map(({ status }) => status))).toEqual(new Set([401]));
  expect(sent()).toHaveLength(3);
  expect(new Set(sent()).size).toBe(3);
  expect((await call('alice:right')).status).toBe(401);
  expect((await call('bob:right')).status).toBe(200);
});

test('the owner of the account goes on with the token at hand', async () => {
  expect((await call('alice:right')).status).toBe(200);
  await Promise.all(Array.from({ length: 20 }, (_, index) => call(`alice:guess-${index}`)));
  expect((await call('alice:right')).status).toBe(200);
  expect(sent()).toHaveLength(1 + 3);
});

test('an application that repeats one wrong password costs one try', async () => {
  for (let i = 0; i < 5; i += 1) expect((await call('alice:old')).status).toBe(401);
  expect(sent()).toEqual(['old']);
});
