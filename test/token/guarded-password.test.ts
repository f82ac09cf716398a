/** Several tokens of the config for one account: all of them together send few wrong passwords, since accounts are locked by five. */

import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { config as configSchema } from '../../src/config/schema/root.ts';
import type { GrantConfig } from '../../src/config/schema/tokens.ts';
import { Tokens } from '../../src/token/tokens.ts';
import { UNOBSERVED } from '../../src/token/unobserved.ts';
import { FakeClock, settle } from '../helpers/fake-clock.ts';
import { answerWith, metadataAnswer, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type ScriptedRequest, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const NAMES = ['a', 'b', 'c', 'd', 'e', 'f'];
const MINUTE_MS = 60_000;

let server: ScriptedServer;
let clock: FakeClock;
let tokens: Tokens;
let config: ReturnType<typeof configSchema.parse>;

const formOf = ({ body }: ScriptedRequest) => new URLSearchParams(body.toString());
const sent = () => server.requests.filter(({ method }) => method === 'POST').map((asked) => formOf(asked).get('password'));

function start(token: (name: string) => Record<string, unknown> = () => ({})): void {
  clock = new FakeClock();
  config = configSchema.parse({
    listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
    authorizationServers: {
      as: { tokenEndpoint: `${server.url}/token` },
      query: { tokenEndpoint: `${server.url}/token?same` },
      discovered: { issuer: server.url },
    },
    tokens: Object.fromEntries(
      NAMES.map((name) => [
        name,
        {
          authorizationServer: 'as',
          grant: 'password',
          clientId: `client-${name}`,
          clientAuthentication: { method: 'client_secret_post', secret: { unsafeInline: 'client-secret' } },
          resourceOwner: { username: 'bookkeeper', password: { unsafeInline: 'old' } },
          renew: { eager: false },
          ...token(name),
        },
      ]),
    ),
  });
  tokens = new Tokens({ config, clock, ...UNOBSERVED });
}

/** As the loader does it for each token whose file has changed. */
function changePassword(password: string): void {
  for (const token of Object.values(config.tokens)) (token as GrantConfig & { grant: 'password' }).resourceOwner.password.fill(password);
}

/** What came of asking for all of them at once, or for these: `token`, or why not. */
async function getAll(names = NAMES): Promise<string[]> {
  const reasonOf = (error: { cause?: { reason: string } }) => error.cause?.reason ?? 'none';
  return Promise.all(
    names.map((name) =>
      tokens
        .source(name)
        .get()
        .then(() => 'token', reasonOf),
    ),
  );
}

const HELD_BACK = 'credentials_held_back';

beforeEach(async () => {
  server = await startScriptedServer({
    answer: (asked) => {
      if (asked.method === 'GET') return metadataAnswer(server.url);
      return formOf(asked).get('password') === 'new' ? tokenAnswer() : oauthError('invalid_grant');
    },
  });
});
afterEach(() => Promise.all([tokens.close(), server.close()]));

test.each([
  ['invalid_grant', 'invalid_grant', oauthError('invalid_grant')],
  ['401 without a word', 'invalid_client', answerWith(401, [])],
  ['access_denied', 'access_denied', oauthError('access_denied')],
])(
  'a password that is refused by %s goes out three times in half an hour, whatever the number of tokens',
  async (_how, reason, refusal) => {
    server.answer = () => refusal;
    start();
    expect(await getAll()).toEqual([reason, reason, reason, HELD_BACK, HELD_BACK, HELD_BACK]);
    for (let minutes = 0; minutes < 29; minutes += 1) {
      await clock.advance(MINUTE_MS);
      await getAll();
    }
    expect(sent()).toHaveLength(3);
    await clock.advance(2 * MINUTE_MS);
    await getAll();
    expect(sent()).toHaveLength(6);
  },
);

test('one server by several names of the config is one', async () => {
  start((name) => ({ authorizationServer: { a: 'as', b: 'query', c: 'discovered' }[name] ?? 'as' }));
  await getAll();
  expect(sent()).toHaveLength(3);
});

test('a changed password is tried at once, for every token', async () => {
  start();
  await getAll();
  changePassword('new');
  expect(await getAll()).toEqual(NAMES.map(() => 'token'));
  expect(sent().slice(3)).toEqual(NAMES.map(() => 'new'));
});

test('a password that the server takes no more is held back as soon, though all tokens had it accepted', async () => {
  start();
  changePassword('new');
  await getAll();
  server.answer = () => oauthError('invalid_grant');
  await clock.advance(2 * 60 * MINUTE_MS);
  await getAll();
  expect(sent()).toHaveLength(NAMES.length + 3);
});

test('a token whose grant hangs holds up none that had its password accepted', async () => {
  start();
  changePassword('new');
  await getAll();
  await clock.advance(2 * 60 * MINUTE_MS);
  server.answer = (asked) => (['client-a', 'client-b'].includes(formOf(asked).get('client_id') as string) ? undefined : tokenAnswer());
  const hanging = getAll(['a', 'b']);
  await server.untilRequests(NAMES.length + 2);
  expect(await getAll(['c', 'd', 'e', 'f'])).toEqual(['token', 'token', 'token', 'token']);
  await tokens.close();
  await hanging;
});

/** How many of the six were asked for at once, at most. */
async function mostAtOnce(): Promise<number> {
  let onTheirWay = 0;
  let most = 0;
  server.answer = async () => {
    onTheirWay += 1;
    most = Math.max(most, onTheirWay);
    await settle();
    onTheirWay -= 1;
    return tokenAnswer();
  };
  expect(await getAll()).toEqual(NAMES.map(() => 'token'));
  return most;
}

test('a password that was accepted is on its way for three tokens at most, since it may be wrong by now', async () => {
  start();
  changePassword('new');
  await getAll();
  await clock.advance(2 * 60 * MINUTE_MS);
  expect(await mostAtOnce()).toBe(3);
});

test('at the start, too, they go three at a time as soon as one had the password accepted', async () => {
  start();
  expect(await mostAtOnce()).toBe(3);
});

test('a client that alone is refused costs the others nothing: a password that the server takes counts no more', async () => {
  server.answer = (asked) => (formOf(asked).get('client_id') === 'client-a' ? oauthError('invalid_grant') : tokenAnswer());
  start();
  for (let times = 0; times < 5; times += 1) {
    expect(await getAll(['a', 'b'])).toEqual(['invalid_grant', 'token']);
    await clock.advance(60 * MINUTE_MS);
  }
  expect(await getAll(['c', 'd', 'e', 'f'])).toEqual(['token', 'token', 'token', 'token']);
});

test('a refresh token that the server takes says nothing of the password, which is held back still', async () => {
  start(() => ({ renew: { eager: false, maxLifetime: '1m' } }));
  changePassword('new');
  server.answer = () => tokenAnswer({ refresh_token: 'refresh-token' });
  await getAll(['a']);
  server.answer = (asked) => (formOf(asked).has('refresh_token') ? tokenAnswer() : oauthError('invalid_grant'));
  await getAll(['b', 'c', 'd']);
  await clock.advance(2 * MINUTE_MS);
  expect(await getAll(['a', 'e'])).toEqual(['token', HELD_BACK]);
  expect(await getAll(['f'])).toEqual([HELD_BACK]);
});

test('another account is another matter', async () => {
  start((name) => ({ resourceOwner: { username: `user-${name}`, password: { unsafeInline: 'old' } } }));
  expect(await getAll()).toEqual(NAMES.map(() => 'invalid_grant'));
});

test('T09 a server in trouble counts nothing', async () => {
  server.answer = () => answerWith(503, ['Retry-After: 1']);
  start();
  for (let times = 0; times < 5; times += 1) {
    await getAll();
    await clock.advance(10 * MINUTE_MS);
  }
  server.answer = () => tokenAnswer();
  expect(await getAll()).toEqual(NAMES.map(() => 'token'));
});

test.each([
  ['renewal that somebody asks for', () => tokens.source('f').renew()],
  [
    'need after a purge',
    () =>
      tokens
        .source('f')
        .purge()
        .then(() => tokens.source('f').get()),
  ],
])('the next %s sends it again', async (_what, ask) => {
  start();
  await getAll();
  await expect(ask()).rejects.toMatchObject({ cause: { reason: 'invalid_grant' } });
  expect(sent()).toHaveLength(4);
});

test('T05 the next client secret of a list is tried at once where the server says 401 to everything', async () => {
  server.answer = (asked) => (formOf(asked).get('client_secret') === 'second' ? tokenAnswer() : answerWith(401, []));
  const secret = ['first', 'second'].map((unsafeInline) => ({ unsafeInline }));
  start(() => ({ clientAuthentication: { method: 'client_secret_post', secret } }));
  expect(await getAll()).toEqual(NAMES.map(() => 'token'));
});
