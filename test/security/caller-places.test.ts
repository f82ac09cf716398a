/**
 * The attack: somebody without any account sends wrong credentials, many at once, to an authorization server that takes its time to refuse
 * them, until the places for callers' own tokens are all taken by guesses, and those who had a good token have none and find no place.
 */

import { expect, test } from '@jest/globals';
import { startBroker } from '../helpers/broker.ts';
import { request } from '../helpers/http-client.ts';
import { answerWith, oauthError, tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const KNOWN = Array.from({ length: 10 }, (_, index) => `user-${index}:right`);
const GUESSES = Array.from({ length: 60 }, (_, index) => `nobody-${index}:wrong`);

test('guesses that wait for a refusal take no more than half of the places from callers who have a token', async () => {
  const { promise: judged, resolve: judge } = Promise.withResolvers<void>();
  const authorizationServer = await startScriptedServer({
    answer: ({ body }) => (body.includes('password=right') ? tokenAnswer() : judged.then(() => oauthError('invalid_grant'))),
  });
  const origin = await startScriptedServer({ answer: () => answerWith(200, [], 'ok') });
  const broker = await startBroker({
    listeners: { local: { address: '127.0.0.1:0', authenticate: ['basic-passthrough'] } },
    authorizationServers: { as: { tokenEndpoint: `${authorizationServer.url}/token` } },
    tokens: {
      own: {
        authorizationServer: 'as',
        grant: 'password',
        clientId: 'ledger-sidecar',
        clientAuthentication: { secret: { unsafeInline: 'ledger-secret' } },
        resourceOwner: 'caller',
        maxCallers: 20,
      },
    },
    routes: { own: { path: '/own', callers: ['basic-passthrough'], token: 'own', upstream: origin.url } },
  });
  const call = async (user: string) => (await request(`${broker.url()}/own/x`, { user })).status;
  const all = (users: readonly string[]) => Promise.all(users.map(call));
  try {
    expect(new Set(await all(KNOWN))).toEqual(new Set([200]));
    const turnedAway = Promise.withResolvers<void>();
    let refused = 0;
    const flood = GUESSES.map(async (user) => {
      const status = await call(user);
      refused += 1;
      if (refused === 50) turnedAway.resolve();
      return status;
    });
    await turnedAway.promise;

    expect(new Set(await all(KNOWN))).toEqual(new Set([200]));
    expect(authorizationServer.requests.filter(({ body }) => body.includes('password=right'))).toHaveLength(KNOWN.length);
    judge();
    expect((await Promise.all(flood)).filter((status) => status === 401)).toHaveLength(10);
    expect(await call('late:right')).toBe(200);
  } finally {
    judge();
    await broker.close();
    await Promise.all([origin.close(), authorizationServer.close()]);
  }
});
