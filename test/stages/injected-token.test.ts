/** The token of one request: what is sent, and what another one may take its place. */

import { describe, expect, test } from '@jest/globals';
import { route as routeSchema } from '../../src/config/schema/routes.ts';
import { InjectedToken, tokenField } from '../../src/stages/injected-token.ts';
import { Token, type TokenFacts } from '../../src/token/token.ts';
import { FakeClock } from '../helpers/fake-clock.ts';

const clock = new FakeClock();

const tokenOf = (value: string, facts: Partial<TokenFacts> = {}) =>
  new Token({ value, requestedAt: clock.now(), lifetimeMs: 1_000, scope: undefined, ...facts }, clock);

const configOf = (config: Record<string, unknown>) =>
  routeSchema.parse({ path: '/', token: 'a', upstream: 'https://api.example', ...config });

function injected(token: Token, newer?: Token, config: Record<string, unknown> = {}) {
  const asked: unknown[] = [];
  const { inject, onUnauthorized } = configOf(config);
  const supply = {
    mayBeSent: (each: Token) => each === newer,
    async replace(refused: Token) {
      asked.push(refused);
      return newer;
    },
    refusedAgain: () => void asked.push('again'),
  };
  const route = {
    config: { inject, onUnauthorized },
    origin: 'https://api.example',
    nonce: undefined,
    credentials: (each: Token) => tokenField(inject, each),
  };
  return { sent: new InjectedToken(token, supply, route), asked };
}

describe('a token that was sent', () => {
  test('U07 is followed by the newer one, in the fields and where its end is asked for', async () => {
    const [first, second] = [tokenOf('first'), tokenOf('second')];
    const { sent, asked } = injected(first, second);
    expect([sent.fields('GET', '/'), sent.mayBeSent()]).toEqual([['Authorization', 'Bearer first'], false]);
    expect([await sent.renew(), asked]).toEqual([true, [first]]);
    expect([sent.fields('GET', '/'), sent.mayBeSent()]).toEqual([['Authorization', 'Bearer second'], true]);
    sent.refusedAgain();
    expect(asked).toEqual([first, 'again']);
  });

  test.each([
    ['there is none', undefined],
    ['that is for another upstream', tokenOf('second', { upstreamOrigin: 'https://other.example' })],
  ])('U07 stays where %s', async (_what, newer) => {
    const { sent } = injected(tokenOf('first', { upstreamOrigin: 'https://api.example' }), newer);
    expect([await sent.renew(), sent.fields('GET', '/')]).toEqual([false, ['Authorization', 'Bearer first']]);
  });

  test.each([
    [{}, ['bearer']],
    [{ inject: { scheme: 'Token' } }, ['token']],
    [{ inject: { scheme: '' } }, ['bearer']],
    [{ inject: { challenge: 'OAuth' } }, ['bearer', 'oauth']],
  ])('U10 with %j is what challenges of the schemes %j are about', (config, schemes) => {
    expect(injected(tokenOf('first'), undefined, config).sent.schemes).toEqual(schemes);
  });

  test('takes no nonce, and is renewed only where the route says so', () => {
    expect(injected(tokenOf('first')).sent.takeNonce).toBeUndefined();
    expect(['renew', 'pass'].map((onUnauthorized) => injected(tokenOf('a'), undefined, { onUnauthorized }).sent.renewable)).toEqual([
      true,
      false,
    ]);
  });

  test.each([
    [{}, ['Authorization', 'Bearer value']],
    [{ header: 'X-Key', scheme: 'Token' }, ['X-Key', 'Token value']],
    [{ header: 'X-Key', scheme: '' }, ['X-Key', 'value']],
  ])('stands in its field as %j says', (inject, expected) => {
    expect(tokenField(configOf({ inject }).inject, tokenOf('value'))).toEqual(expected);
  });
});
