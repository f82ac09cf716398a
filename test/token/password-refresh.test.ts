/** The refresh token of a password grant: used, replaced, refused, forgotten; and never seen. */

import { inspect } from 'node:util';
import { describe, expect, test } from '@jest/globals';
import { AuthorizationServer } from '../../src/authorization-server/authorization-server.ts';
import { authorizationServer as serverSchema } from '../../src/config/schema/authorization-servers.ts';
import { type GrantConfig, token as tokenSchema } from '../../src/config/schema/tokens.ts';
import { CLIENTS, startAuthorizationServer, type TestAuthorizationServer, USER } from '../helpers/authorization-server.ts';
import { startScene } from '../helpers/broker.ts';
import { createCanaries } from '../helpers/canaries.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { grantOf } from '../helpers/grant.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, inTurn, jsonAnswer, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { type Script, type ScriptedServer, startScriptedServer } from '../helpers/scripted-server.ts';

const closed = closedAfterEach();

function passwordConfig(more: Record<string, unknown> = {}) {
  return tokenSchema.parse({
    authorizationServer: 'as',
    grant: 'password',
    clientId: CLIENTS.ledger.clientId,
    clientAuthentication: { method: CLIENTS.ledger.clientAuthentication, secret: { unsafeInline: CLIENTS.ledger.secret } },
    resourceOwner: { username: USER.username, password: { unsafeInline: USER.password } },
    scope: 'ledger.read',
    ...more,
  }) as GrantConfig & { grant: 'password' };
}

/** A password source of a server; `refused` holds the reasons it told. */
function source(server: Record<string, unknown>, config = passwordConfig()) {
  const authorizationServer = closed(new AuthorizationServer(serverSchema.parse(server)));
  const refused: string[] = [];
  const grant = grantOf(config, authorizationServer, new FakeClock(), refused);
  return { get: () => grant.get(), refused, config };
}

async function realServer(): Promise<TestAuthorizationServer> {
  const server = closed(await startAuthorizationServer({ clients: [{ ...CLIENTS.ledger, grants: ['password', 'refresh_token'] }] }));
  return server;
}

async function scripted(answer: Script): Promise<ScriptedServer> {
  const server = closed(await startScriptedServer({ answer }));
  return server;
}

const grantsOf = (server: ScriptedServer) => server.requests.map(({ body }) => new URLSearchParams(body.toString()).get('grant_type'));
const formOf = (server: ScriptedServer, index: number) => Object.fromEntries(new URLSearchParams(server.requests[index]?.body.toString()));

describe('a refresh token in the answer to a password grant', () => {
  test('T13 renews the token, and each one that replaces it renews the next', async () => {
    const server = await realServer();
    const { get } = source({ issuer: server.issuer, tls: { ca: server.ca } });
    const values = new Set([(await get()).reveal(), (await get()).reveal(), (await get()).reveal()]);
    expect(server.requests.map(({ grant, status, clientAuthentication }) => `${grant} ${status} ${clientAuthentication}`)).toEqual([
      'password 200 client_secret_post',
      'refresh_token 200 client_secret_post',
      'refresh_token 200 client_secret_post',
    ]);
    expect(values).toEqual(new Set(server.issued));
    expect(values.size).toBe(3);
  });

  test('T13 asks for the scope granted before by asking for none (RFC 6749 §6), audience and all else as ever', async () => {
    const server = await scripted(() => tokenAnswer({ refresh_token: 'first~/+&= token' }));
    const { get } = source({ tokenEndpoint: `${server.url}/token` }, passwordConfig({ audience: 'https://api', parameters: { x: 'y' } }));
    await get();
    await get();
    expect(formOf(server, 1)).toEqual({
      grant_type: 'refresh_token',
      refresh_token: 'first~/+&= token',
      client_id: CLIENTS.ledger.clientId,
      client_secret: CLIENTS.ledger.secret,
      audience: 'https://api',
      x: 'y',
    });
  });

  test.each(['invalid_grant', 'unsupported_grant_type', 'unauthorized_client'])(
    'T13 refused with %s is forgotten, and the password follows within the same need',
    async (error) => {
      const server = await scripted(
        inTurn(tokenAnswer({ refresh_token: 'one' }), oauthError(error), tokenAnswer({ access_token: 'again' }), tokenAnswer()),
      );
      const { get, refused } = source({ tokenEndpoint: `${server.url}/token` });
      await get();
      expect((await get()).reveal()).toBe('again');
      await get();
      expect(grantsOf(server)).toEqual(['password', 'refresh_token', 'password', 'password']);
      expect(refused).toEqual([error]);
    },
  );

  test('T13 an answer without one keeps the one before', async () => {
    const server = await scripted(inTurn(tokenAnswer({ refresh_token: 'one' }), tokenAnswer()));
    const { get } = source({ tokenEndpoint: `${server.url}/token` });
    for (let i = 0; i < 3; i += 1) await get();
    expect(grantsOf(server)).toEqual(['password', 'refresh_token', 'refresh_token']);
    expect(formOf(server, 2)['refresh_token']).toBe('one');
  });

  test('T13 a server in trouble does not cost the refresh token; an answer that cannot be used and has no other does', async () => {
    const server = await scripted(
      inTurn(tokenAnswer({ refresh_token: 'one' }), answerWith(503, []), tokenAnswer({ expires_in: 0 }), tokenAnswer()),
    );
    const { get } = source({ tokenEndpoint: `${server.url}/token` });
    await get();
    await expect(get()).rejects.toMatchObject({ failureClass: 'transient' });
    await expect(get()).rejects.toMatchObject({ failureClass: 'nonsense' });
    await get();
    expect(grantsOf(server)).toEqual(['password', 'refresh_token', 'refresh_token', 'password']);
  });

  test('T13 a new one in an answer that cannot be used is tried once; then the password follows', async () => {
    const server = await scripted(
      inTurn(
        tokenAnswer({ refresh_token: 'one' }),
        tokenAnswer({ refresh_token: 'two', token_type: 'mac' }),
        tokenAnswer({ refresh_token: 'three' }),
        tokenAnswer({ refresh_token: 'four', token_type: 'mac' }),
        tokenAnswer({ refresh_token: 'five', token_type: 'mac' }),
        tokenAnswer({ refresh_token: 'six', token_type: 'mac' }),
        tokenAnswer(),
      ),
    );
    const { get } = source({ tokenEndpoint: `${server.url}/token` });
    const outcomes: string[] = [];
    for (let i = 0; i < 7; i += 1)
      outcomes.push(
        await get().then(
          () => 'granted',
          ({ reason }) => reason,
        ),
      );
    const bad = 'token_type_unexpected';
    expect(outcomes).toEqual(['granted', bad, 'granted', bad, bad, bad, 'granted']);
    expect(server.requests.map((_, index) => formOf(server, index)['refresh_token'] ?? 'password')).toEqual([
      'password',
      'one',
      'two',
      'three',
      'four',
      'password',
      'password',
    ]);
  });

  test('T13 belongs to the credentials it was given for: changed ones are used at once', async () => {
    const server = await scripted(() => tokenAnswer({ refresh_token: 'one' }));
    const { get, config } = source({ tokenEndpoint: `${server.url}/token` });
    await get();
    config.resourceOwner.password.fill('changed');
    await get();
    expect(grantsOf(server)).toEqual(['password', 'password']);
    expect(formOf(server, 1)['password']).toBe('changed');
  });

  test.each([7, '', 'a\nb', ['x'], null])('T13 that is %j counts as none', async (value) => {
    const server = await scripted(() => tokenAnswer({ refresh_token: value }));
    const { get } = source({ tokenEndpoint: `${server.url}/token` });
    await get();
    await get();
    expect(grantsOf(server)).toEqual(['password', 'password']);
  });

  test('X01 stands in no log line, token, metric or answer, even when the server echoes it', async () => {
    const canaries = createCanaries();
    const refreshToken = canaries.plant('refresh-token');
    let count = 0;
    const scene = await startScene({
      token: (asked) => {
        count += 1;
        const form = new URLSearchParams(asked.body.toString());
        if (form.get('grant_type') === 'refresh_token')
          return jsonAnswer(400, { error: 'invalid_grant', error_description: `you sent ${form.get('refresh_token')} in ${asked.body}` });
        return count > 2 ? oauthError('invalid_grant') : tokenAnswer({ refresh_token: refreshToken, expires_in: 1 });
      },
      tokenConfig: {
        grant: 'password',
        resourceOwner: { username: 'owner', password: { unsafeInline: canaries.plant('owner-password') } },
        renew: { eager: false, before: '0s', hardMargin: '900ms' },
      },
    });
    closed(scene);
    let answer = await request(`${scene.url()}/api/x`);
    while (answer.status === 200) answer = await request(`${scene.url()}/api/x`);
    expect(await scene.logged('refresh token refused: using the primary grant')).toMatchObject({ reason: 'invalid_grant' });
    const seen = `${JSON.stringify(scene.log)} ${answer.text()} ${await scene.metrics()} ${inspect(scene.broker, { depth: 10 })}`;
    expect(canaries.find(seen)).toEqual([]);
  });
});
