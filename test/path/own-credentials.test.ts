/** Tokens made from the callers' own Basic credentials, against a real authorization server. */

import { afterEach, describe, expect, test } from '@jest/globals';
import { CLIENTS, startAuthorizationServer, type TestAuthorizationServer } from '../helpers/authorization-server.ts';
import { startBroker, type TestBroker } from '../helpers/broker.ts';
import { createCanaries } from '../helpers/canaries.ts';
import { type Answer, request } from '../helpers/http-client.ts';
import { answerWith } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const canaries = createCanaries();
const USERS = Array.from({ length: 4 }, (_, index) => ({ username: `user-${index}`, password: canaries.plant(`password-${index}`) }));

let authorizationServer: TestAuthorizationServer;
let origin: ScriptedServer;
let broker: TestBroker;
afterEach(() => Promise.all([broker.close(), origin.close(), authorizationServer.close()]));

async function start(more: Record<string, unknown> = {}, answer: Script = () => answerWith(200, [], 'ok')): Promise<void> {
  const ledger = { ...CLIENTS.ledger, grants: ['password', 'refresh_token'] as const };
  authorizationServer = await startAuthorizationServer({ users: USERS, clients: [ledger] });
  origin = await startScriptedServer({ answer });
  broker = await startBroker({
    listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic-passthrough'] } },
    authorizationServers: { as: { issuer: authorizationServer.issuer, tls: { ca: authorizationServer.ca } } },
    tokens: {
      ledger: {
        authorizationServer: 'as',
        grant: 'password',
        clientId: ledger.clientId,
        clientAuthentication: { method: ledger.clientAuthentication, secret: { unsafeInline: ledger.secret } },
        resourceOwner: 'caller',
        // Its tokens are JWTs that say whose they are.
        resource: 'https://ledger.example',
        scope: 'ledger.read',
        ...more,
      },
    },
    routes: { api: { path: '/api', callers: ['basic-passthrough'], token: 'ledger', upstream: origin.url } },
  });
}

const call = (user: string | undefined, path = ''): Promise<Answer> =>
  request(`${broker.url()}/api/${path}`, user === undefined ? {} : { user });
const as = (index: number, path?: string) => call(`${USERS[index]?.username}:${USERS[index]?.password}`, path);

/** Whose token a request had upstream. */
const ownerOf = (asked: ScriptedServer['requests'][number]): unknown =>
  JSON.parse(Buffer.from(asked.field('authorization')[0]?.split('.')[1] ?? '', 'base64url').toString()).sub;

describe('the resource owner "caller"', () => {
  test('C02 many requests of several callers at once: each goes out with the token of its own caller', async () => {
    await start();
    const calls = Array.from({ length: 200 }, (_, index) => as(index % 4, String(index % 4)));
    expect((await Promise.all(calls)).map((answer) => answer.status)).toEqual(Array.from({ length: 200 }, () => 200));
    expect(origin.requests.map(ownerOf)).toEqual(origin.requests.map((asked) => `user-${asked.target.slice(1)}`));
    expect(authorizationServer.grants()).toBe(4);
  });

  test('X01 credentials reach neither the upstream nor log, metrics, status or answers', async () => {
    await start();
    await as(0);
    const wrong = canaries.plant('wrong-password');
    const refused = await call(`user-0:${wrong}`);
    for (const token of authorizationServer.issued) canaries.watch('token', token);
    const probes = await (await fetch(`http://${broker.address('admin')}/readyz?verbose`)).text();
    const shown = [JSON.stringify(broker.log), await broker.metrics(), probes, refused.text(), refused.fields.join('\n')];
    expect(shown.flatMap((text) => canaries.find(text))).toEqual([]);
    // The upstream may see the token, and nothing else.
    const received = origin
      .received()
      .toString()
      .replaceAll(/^authorization: Bearer .*$/gim, '');
    expect(canaries.find(received)).toEqual([]);
    expect(shown.join('\n')).not.toContain('user-0');
  });

  test('B01 a wrong password is 401 with a challenge, and the authorization server is asked once', async () => {
    await start();
    const answers = await Promise.all(Array.from({ length: 20 }, () => call('user-0:wrong')));
    answers.push(await call('user-0:wrong'));
    expect(new Set(answers.map((answer) => answer.status))).toEqual(new Set([401]));
    expect(answers[20]?.json()).toMatchObject({ code: 'CALLER_UNAUTHENTICATED', status: 401 });
    expect(answers[20]?.field('www-authenticate')).toBe('Basic realm="token-broker", charset="UTF-8"');
    expect(authorizationServer.requests).toHaveLength(1);
    expect(origin.requests).toHaveLength(0);
    expect(await broker.logged('credentials of a caller refused')).toMatchObject({
      token: 'ledger',
      reason: 'invalid_grant',
      level: 'info',
    });
  });

  test('B01 no credentials, or malformed ones, are 401 and nothing is asked', async () => {
    await start();
    expect((await call(undefined)).status).toBe(401);
    const malformed = await request(`${broker.url()}/api/`, { fields: { authorization: 'Basic !' } });
    expect([malformed.status, malformed.field('www-authenticate')]).toEqual([401, 'Basic realm="token-broker", charset="UTF-8"']);
    expect((await request(`${broker.url()}/api/`, { fields: { authorization: 'Bearer abc' } })).status).toBe(401);
    expect(authorizationServer.requests).toHaveLength(0);
  });

  test('U07 a token that the upstream refuses is renewed for its caller alone, by its own refresh token', async () => {
    let refused: string | undefined;
    await start({}, (asked) => {
      const token = asked.field('authorization')[0];
      refused ??= token;
      return token === refused ? answerWith(401, ['WWW-Authenticate: Bearer error="invalid_token"']) : answerWith(200, []);
    });
    expect((await as(0)).status).toBe(200);
    expect((await as(1)).status).toBe(200);
    expect(origin.requests.map(ownerOf)).toEqual(['user-0', 'user-0', 'user-1']);
    expect(authorizationServer.requests.map((asked) => asked.grant)).toEqual(['password', 'refresh_token', 'password']);
  });

  test('keeps no more tokens than "maxCallers": the least recently used gives way', async () => {
    await start({ maxCallers: 2 });
    await as(0);
    await as(1);
    await as(0);
    await as(2);
    expect(await broker.metrics()).toContain('token_broker_token_callers{token="ledger"} 2');
    const asked = authorizationServer.requests.length;
    await as(0);
    expect(authorizationServer.requests).toHaveLength(asked);
    await as(1);
    expect(authorizationServer.requests).toHaveLength(asked + 1);
  });
});
