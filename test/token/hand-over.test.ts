/** The tokens of one config go on in the next: those that are the same, and no others. */

import { expect, test } from '@jest/globals';
import { config as configSchema } from '../../src/config/schema/root.ts';
import type { GrantConfig } from '../../src/config/schema/tokens.ts';
import { Tokens } from '../../src/token/tokens.ts';
import { UNOBSERVED } from '../../src/token/unobserved.ts';
import { closedAfterEach } from '../helpers/closing.ts';
import { FakeClock } from '../helpers/fake-clock.ts';
import { collectGarbage } from '../helpers/garbage.ts';
import { answerWith, tokenAnswer } from '../helpers/scripted-answers.ts';
import { startScriptedServer } from '../helpers/scripted-server.ts';

const kept = closedAfterEach();

async function start() {
  const server = kept(await startScriptedServer({ answer: ({ target }) => (target === '/token' ? tokenAnswer() : answerWith(200, [])) }));
  const clock = new FakeClock();
  const token = {
    authorizationServer: 'as',
    grant: 'client_credentials',
    clientAuthentication: { method: 'client_secret_post', secret: { unsafeInline: 'client-secret' } },
    revokeOnShutdown: true,
  };
  const configWith = (tokens: Record<string, unknown>) =>
    configSchema.parse({
      listeners: { local: { address: '127.0.0.1:0', authenticate: ['anonymous'] } },
      authorizationServers: { as: { tokenEndpoint: `${server.url}/token`, revocationEndpoint: `${server.url}/revoke` } },
      tokens,
    });
  const tokensNamed = (...names: string[]) => {
    const config = configWith(Object.fromEntries(names.map((name) => [name, { ...token, clientId: name }])));
    return kept(new Tokens({ config, clock, ...UNOBSERVED }));
  };
  const withRefreshToken = () => {
    const config = configWith({
      refreshed: { ...token, clientId: 'refreshed', grant: 'refresh_token', refreshToken: { unsafeInline: 'first' } },
    });
    const { refreshToken } = config.tokens['refreshed'] as GrantConfig & { grant: 'refresh_token' };
    return { tokens: new Tokens({ config, clock, ...UNOBSERVED }), refreshToken: new WeakRef(refreshToken) };
  };
  const revoked = () =>
    server.requests.filter(({ target }) => target === '/revoke').map(({ body }) => new URLSearchParams(body.toString()).get('client_id'));
  return { tokensNamed, withRefreshToken, revoked };
}

test('what the next config does not have is renewed no more, though whoever asked for it is served still', async () => {
  const { tokensNamed } = await start();
  const [before, next] = [tokensNamed('both', 'gone'), tokensNamed('both')];
  await before.warmUp();
  expect(before.source('gone').status().renewsInMs).toBeGreaterThan(0);
  before.handOver(next);
  expect(before.source('gone').status()).toMatchObject({ state: 'fresh', renewsInMs: undefined });
  expect(before.source('both')).toBe(next.source('both'));
  expect(next.source('both').status().renewsInMs).toBeGreaterThan(0);
});

test('what the next config does not have is given back at the end, and what goes on there is not', async () => {
  const { tokensNamed, revoked } = await start();
  const [before, next] = [tokensNamed('both', 'gone'), tokensNamed('both')];
  await before.warmUp();
  before.handOver(next);
  await before.revoke(60_000);
  expect(revoked()).toEqual(['gone']);
  await next.revoke(60_000);
  expect(revoked()).toEqual(['gone', 'both']);
});

test('after the end nothing is renewed', async () => {
  const { tokensNamed } = await start();
  const tokens = tokensNamed('orders');
  await tokens.warmUp();
  await tokens.close();
  expect(tokens.source('orders').status()).toMatchObject({ state: 'fresh', renewsInMs: undefined });
});

test('after the end nothing of a config is kept for the sake of the next, which knows what has come of its refresh tokens', async () => {
  const { withRefreshToken } = await start();
  const { tokens: next } = withRefreshToken();
  const followed = async () => {
    const { tokens, refreshToken } = withRefreshToken();
    await tokens.warmUp();
    tokens.handOver(next);
    await tokens.close();
    return refreshToken;
  };
  const ended = await followed();
  await collectGarbage();
  expect(ended.deref()).toBeUndefined();
  await next.close();
});
