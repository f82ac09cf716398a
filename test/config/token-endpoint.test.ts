import { describe, expect, test } from '@jest/globals';
import { bent, type Loose, said, useDirectory, verdict } from './fixture.ts';

const directory = useDirectory();
/** What a change to a config with a token endpoint brings. */
const judged = async (bend: (config: Loose) => void = () => {}) => {
  const config = bent((draft) => {
    draft['listeners'].tokens = { address: '127.0.0.1:0', serve: 'token-endpoint', authenticate: ['basic'] };
    draft['tokens'].orders.callers = ['app'];
    bend(draft);
  });
  const { problems, warnings } = await verdict(directory.path('sidecar.config.json'), config);
  return { problems: said(problems), warnings: said(warnings) };
};
const fine = { problems: [], warnings: [] };
const token = (more: object) => judged(({ tokens }) => Object.assign(tokens.orders, more));
const endpoint = (more: object) => judged(({ listeners }) => Object.assign(listeners.tokens, more));

describe('who is handed a token', () => {
  test('is named by "callers", "*" or "anonymous"', async () => {
    expect(await judged()).toEqual(fine);
    expect(await token({ callers: ['*', 'anonymous'] })).toEqual(fine);
    expect((await token({ callers: ['ap'] })).problems).toEqual([
      'tokens.orders.callers[0] names unknown caller "ap"; did you mean "app"?',
    ]);
    expect((await token({ callers: ['basic-passthrough'] })).problems).toEqual([
      'tokens.orders.callers[0] is nobody whom a token can be handed to: nobody has authenticated who that is; remove it',
    ]);
  });

  test.each([
    [{ dpop: true }, 'is worth nothing without a key of this process ("dpop"); remove it'],
    [
      { certificateBound: { certificate: { fromEnv: 'CERT' }, key: { fromEnv: 'KEY' } } },
      'is worth nothing without a key of this broker ("certificateBound"); remove it',
    ],
  ])('is nobody for a token that is bound: %j', async (bound, why) => {
    expect((await token(bound)).problems).toContain(`tokens.orders.callers names who is handed a token that ${why}`);
  });

  test('is nobody for a token that is made from what each caller brings', async () => {
    const own = await token({ grant: 'password', resourceOwner: 'caller' });
    expect(own.problems).toContain(
      'tokens.orders.callers names who is handed a token that is made from what each caller brings to a route; remove it',
    );
  });

  test('counts as a use of the token and of the caller', async () => {
    const alone = await judged((config) => {
      config['routes'] = {};
    });
    expect(alone).toEqual(fine);
  });

  test('is nobody where no listener hands out, or no token is handed out', async () => {
    const without = await judged(({ listeners }) => {
      delete listeners.tokens;
    });
    expect(without).toEqual({
      problems: [],
      warnings: ['tokens.orders.callers has no effect, since no listener has "serve": "token-endpoint"; add one, or remove it'],
    });
    expect(await token({ callers: [] })).toEqual({
      problems: [],
      warnings: ['listeners.tokens.serve has nothing to hand out: no token lists "callers"; list them in one'],
    });
  });
});

describe('a listener that serves "token-endpoint"', () => {
  test('does not serve routes', async () => {
    const misled = await judged(({ routes }) => {
      routes.orders.listeners = ['local', 'tokens'];
    });
    expect(misled.problems).toEqual(['routes.orders.listeners[1] is a listener that serves "token-endpoint", and no routes; remove it']);
    const alone = await judged(({ listeners }) => {
      delete listeners.local;
    });
    expect(alone).toEqual({
      problems: [],
      warnings: ['routes lead nowhere: each listener serves "token-endpoint"; add one that serves "proxy"'],
    });
  });

  test('is none where callers bring their own credentials for a route', async () => {
    const own = await judged(({ listeners, tokens, routes }) => {
      listeners.tokens.authenticate = ['basic', 'anonymous'];
      tokens.own = { ...tokens.orders, grant: 'token_exchange', subject: 'caller', callers: [] };
      routes.orders.token = 'own';
    });
    expect(own.problems).toEqual([expect.stringContaining('routes.orders.token is made from what callers bring, and')]);
  });

  test('does not let in whom nobody has authenticated', async () => {
    expect((await endpoint({ authenticate: ['mtls', 'basic-passthrough'] })).problems).toContain(
      'listeners.tokens.authenticate[1] lets in whom nobody has authenticated, and tokens are handed to callers; use "basic", "mtls", "jwt", "negotiate" or "anonymous"',
    );
  });

  test.each(['basic', 'anonymous'])('needs TLS on an address that is not loopback, whatever callers do: %s', async (way) => {
    const open = { address: '0.0.0.0:8081', authenticate: [way], unsafeAnonymous: true };
    expect((await endpoint(open)).problems).toEqual([
      'listeners.tokens.address hands out tokens without TLS on an address that is not loopback; give "tls", listen on 127.0.0.1, or say "unsafePlaintext": true',
    ]);
    expect(await endpoint({ ...open, unsafePlaintext: true })).toEqual({
      problems: [],
      warnings: [
        expect.stringContaining('listeners.tokens.unsafeAnonymous'),
        'listeners.tokens.unsafePlaintext lets passwords and tokens travel unencrypted, for all on the way to read',
      ],
    });
    expect(await endpoint({ address: 'unix:/run/tokens.sock', authenticate: [way] })).toEqual(fine);
  });
});
